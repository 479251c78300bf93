"""Dataset formats; a format is one file."""
