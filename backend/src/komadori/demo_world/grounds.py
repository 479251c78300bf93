"""What lies behind the things: textures, landscapes, patterns and out-of-focus lights."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from komadori.core.types import Image as Pixels

_Floats = NDArray[np.float32]
_Ground = Callable[[np.random.Generator, int, int], _Floats]


def ground(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A random background.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    make = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    lit = make(rng, width, height) * _light(rng, width, height)
    pixels: Pixels = np.clip(lit * 255.0, 0, 255).astype(np.uint8)
    return pixels


def _texture(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """Noise of all scales around one colour, as in foliage, stone or cloth."""
    return _colour(rng) + _noise(rng, width, height, roughness=rng.uniform(0.35, 0.75))


def _landscape(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """A sky over a ground, a rough line between them."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = _colour(rng) * (1 - y) + _colour(rng) * y
    ground = _colour(rng) + _noise(rng, width, height, roughness=0.6)
    rim = rng.uniform(0.25, 0.75) + 0.15 * _noise(rng, width, 1, roughness=0.5)[..., :1]
    share = np.clip((y - rim) * height / 2, 0, 1)
    return sky * (1 - share) + ground * share + 0.3 * _noise(rng, width, height, roughness=0.4)


def _pattern(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """Stripes, tiles or bricks with some grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / min(width, height)
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.sin(2 * np.pi * u * rng.uniform(2, 9) + rng.uniform(0, 7))
    if rng.random() < 0.5:
        waves = waves * np.sin(2 * np.pi * v * rng.uniform(2, 9))
    share = np.clip(waves * rng.uniform(1, 8) + 0.5, 0, 1)[..., None]
    plain: _Floats = _colour(rng) * share + _colour(rng) * (1 - share)
    return plain + 0.5 * _noise(rng, width, height, roughness=0.6)


def _lights(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """Soft discs of light over a dim ground, as behind a lens that is focused nearer."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / min(width, height)
    canvas = _colour(rng) * 0.6 + 0.4 * _noise(rng, width, height, roughness=0.4)
    for _ in range(int(rng.integers(4, 14))):
        centre = rng.uniform(0, 1, 2) * (width, height) / min(width, height)
        radius, softness = rng.uniform(0.04, 0.25), rng.uniform(0.02, 0.08)
        distance = np.hypot(x - centre[0], y - centre[1])
        share = np.clip((radius - distance) / softness, 0, 1)[..., None] * rng.uniform(0.2, 0.8)
        canvas = canvas * (1 - share) + _colour(rng) * share
    lit: _Floats = canvas.astype(np.float32)
    return lit


_GROUNDS: tuple[_Ground, ...] = (_texture, _texture, _landscape, _landscape, _pattern, _lights)


def _colour(rng: np.random.Generator) -> _Floats:
    """A colour of the muted kind that most backgrounds have; at times a bright one."""
    grey = rng.uniform(0.15, 0.85)
    spread = 0.35 if rng.random() < 0.25 else 0.12
    return np.clip(grey + rng.normal(0, spread, 3), 0, 1).astype(np.float32)


def _noise(rng: np.random.Generator, width: int, height: int, roughness: float) -> _Floats:
    """(height, width, 3) noise around 0, each octave ``roughness`` times as strong as the coarser one."""
    total = np.zeros((height, width, 3), np.float32)
    tint = rng.uniform(0, 1)
    strength, cells = rng.uniform(0.15, 0.45), 3
    while cells <= max(width, height):
        rows = max(1, cells * height // max(width, height))
        grains = rng.integers(0, 256, (rows + 1, cells + 1, 3), dtype=np.uint8)
        grains[..., 1:] = tint * grains[..., 1:] + (1 - tint) * grains[..., :1]
        layer = Image.fromarray(grains).resize((width, height), Image.Resampling.BICUBIC)
        total += (np.asarray(layer, np.float32) / 255.0 - 0.5) * strength
        strength *= roughness
        cells *= 2
    return total


def _light(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """(height, width, 1) factors: brighter to one side."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    factors: _Floats = (1 + depth * (np.cos(angle) * x + np.sin(angle) * y)).astype(np.float32)
    return factors[..., None]
