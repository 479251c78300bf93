"""All queries, by subject."""
