"""Models that put images and texts into one vector space; a model family is one file."""
