"""Komadori turns hours of video into a labelled dataset, on your own machine."""

__version__ = "0.1.0"
