"""Broken and malicious videos and pictures, all made on the spot, the same each time."""

from tests.support.hostile import bombs, damage, lies, paths, pictures, references
from tests.support.hostile.base import Hostile, World

__all__ = ["Hostile", "World", "corpus"]


def corpus() -> list[Hostile]:
    """Every hostile file, by family."""
    modules = (damage, lies, bombs, references, paths, pictures)
    return [hostile for module in modules for hostile in module.files()]
