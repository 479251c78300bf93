"""Looks at everything that is stored, and says what does not fit together."""
