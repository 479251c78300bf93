"""The command ``demo``: a synthetic and a real video taken the whole way, and what was measured."""
