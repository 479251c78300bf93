"""Strategies that choose which frames of a video to keep: one module each, named as it is registered."""
