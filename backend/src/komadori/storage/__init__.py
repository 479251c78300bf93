"""Where frames and thumbnails are kept; a kind of store is one file."""
