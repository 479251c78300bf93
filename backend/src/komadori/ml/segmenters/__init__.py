"""Models that find named concepts in images; a model family is one file."""
