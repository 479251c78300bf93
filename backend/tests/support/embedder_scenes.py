"""Pictures for embedders: plain colours, halves, noise, and things that are no pictures."""

from typing import Any

import numpy as np

from komadori.core.types import Image

RED, GREEN, BLUE = (220, 30, 30), (30, 160, 40), (30, 60, 220)


def plain(colour: tuple[int, int, int], height: int = 90, width: int = 160) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image:
    return np.concatenate([plain(left, 90, 80), plain(right, 90, 80)], axis=1)


def noise(height: int, width: int, seed: int = 0) -> Image:
    """Large soft patches with grain: neither flat nor white noise, as frames are."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3)).repeat(16, 0).repeat(16, 1)
    grain = rng.normal(0, 12, (height, width, 3))
    return np.clip(coarse[:height, :width] + grain, 0, 255).astype(np.uint8)


def of_many_sizes() -> list[Image]:
    """Wide, tall, square, tiny, and larger than any model takes."""
    sizes = [(90, 160), (64, 64), (160, 90), (1, 1), (300, 20), (9, 700), (480, 854)]
    return [noise(height, width, seed) for seed, (height, width) in enumerate(sizes)]


NO_PICTURES: dict[str, Any] = {
    "no pixels": np.zeros((0, 5, 3), np.uint8),
    "no colours": np.zeros((5, 5), np.uint8),
    "four channels": np.zeros((5, 5, 4), np.uint8),
    "floats": np.zeros((5, 5, 3), np.float32),
    "a batch": np.zeros((1, 5, 5, 3), np.uint8),
}
