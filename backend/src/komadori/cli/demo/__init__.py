"""The command ``demo``: a sample video taken the whole way."""
