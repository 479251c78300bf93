"""Who owns a chunk: the process that works on it."""

from komadori.core.process_names import is_gone, is_here, own_name

__all__ = ["is_gone", "is_here", "own_name"]
