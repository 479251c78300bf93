"""Trains the small checkpoints of the demo on the synthetic world."""
