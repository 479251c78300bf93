"""Ways to wake a worker; a way is one file."""
