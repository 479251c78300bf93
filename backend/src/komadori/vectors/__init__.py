"""Indexes that find the nearest vectors of one embedding space."""
