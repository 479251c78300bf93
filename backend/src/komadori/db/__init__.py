"""The database: tables, sessions, migrations. All queries live in its repositories."""
