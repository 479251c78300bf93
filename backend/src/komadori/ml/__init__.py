"""Models: where their checkpoints are, and the adapters that run them. torch is imported only here."""
