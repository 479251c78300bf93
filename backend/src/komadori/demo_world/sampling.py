"""Draws scenes at random, and spoils their pictures as cameras and codecs do."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from komadori.core.types import Image as Pixels
from komadori.demo_world.grounds import ground
from komadori.demo_world.kinds import kinds
from komadori.demo_world.scene import Bar, Scene, Thing

SHAPES: tuple[tuple[int, int], ...] = ((640, 360), (640, 360), (480, 360), (360, 360), (360, 480), (360, 640))
"""Widths and heights of frames, the usual ones more often."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What kind of scenes to draw.

    Attributes:
        n_things: The least and the most things.
        sizes: The least and the largest side of a thing, as shares of the frame's shorter side.
        repeats: The chance that a thing is of the same kind as the one before it.
        bars: The chance of a bar.
        kinds: The names to choose from; all when empty.
    """

    n_things: tuple[int, int] = (1, 5)
    sizes: tuple[float, float] = (0.2, 0.6)
    repeats: float = 0.3
    bars: float = 0.25
    kinds: Sequence[str] = ()


def random_scene(
    rng: np.random.Generator,
    taste: Taste,
    frame_wh: tuple[int, int] | None = None,
    ground_wh: tuple[int, int] | None = None,
) -> Scene:
    """A scene of things that overlap a little, and at times leave the frame a little.

    Args:
        rng: Decides everything.
        taste: What to draw.
        frame_wh: The frame's size; one of ``SHAPES`` when None.
        ground_wh: The size at which the background is made; the frame's when None.
    """
    width, height = frame_wh or SHAPES[int(rng.integers(len(SHAPES)))]
    names = random_kinds(rng, taste)
    items: list[Thing | Bar] = []
    for number, name in enumerate(names):
        thing = _placed(rng, taste, name, number, (width, height), items)
        if thing is not None:
            items.append(thing)
    if rng.random() < taste.bars:
        at = int(rng.integers(len(items) + 1))
        items.insert(at, random_bar(rng, width, height))
    return Scene(width, height, ground(rng, *(ground_wh or (width, height))), items)


def random_kinds(rng: np.random.Generator, taste: Taste) -> list[str]:
    """The kind of each thing of a scene."""
    choices = list(taste.kinds) or [kind.name for kind in kinds()]
    names: list[str] = []
    for _ in range(int(rng.integers(taste.n_things[0], taste.n_things[1] + 1))):
        again = names and rng.random() < taste.repeats
        names.append(names[-1] if again else choices[int(rng.integers(len(choices)))])
    return names


def random_bar(rng: np.random.Generator, width: int, height: int) -> Bar:
    """A pole of some colour, more or less upright or lying."""
    angle = rng.normal(0, 12) + (90 if rng.random() < 0.3 else 0)
    thickness = rng.uniform(0.02, 0.08) * min(width, height)
    colour = tuple(float(part) for part in rng.uniform(0.05, 0.9, 3))
    return Bar(
        rng.uniform(0, width), rng.uniform(0, height), thickness, angle, (colour[0], colour[1], colour[2])
    )


def _placed(
    rng: np.random.Generator,
    taste: Taste,
    name: str,
    number: int,
    frame_wh: tuple[int, int],
    others: Sequence[Thing | Bar],
) -> Thing | None:
    """The thing at a place where it hides little of the others; None when there is no such place."""
    width, height = frame_wh
    for _ in range(12):
        low, high = np.log(taste.sizes)
        size = float(np.exp(rng.uniform(low, high))) * min(width, height)
        rim = 0.3 * size
        x, y = rng.uniform(rim, width - rim), rng.uniform(rim, height - rim)
        if all(np.hypot(x - o.x, y - o.y) > 0.36 * (size + o.size) for o in others if isinstance(o, Thing)):
            smear = rng.normal(0, 0.05 * size, 2) if rng.random() < 0.2 else (0.0, 0.0)
            return Thing(
                name,
                number,
                float(x),
                float(y),
                size,
                angle_deg=float(rng.normal(0, 14)),
                is_mirrored=bool(rng.random() < 0.5),
                brightness=float(rng.uniform(0.75, 1.1)),
                smear=(float(smear[0]), float(smear[1])),
            )
    return None


def spoil(rng: np.random.Generator, image: Pixels) -> Pixels:
    """The picture as a camera and a codec leave it: exposure, tint, blur, noise, compression.

    Args:
        rng: Decides what and how much.
        image: (H, W, 3) uint8 RGB.

    Returns:
        The same size.
    """
    levels = image.astype(np.float32) * rng.uniform(0.75, 1.15) * (1 + rng.normal(0, 0.04, 3))
    levels += rng.normal(0, 8)
    spoilt = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        spoilt = spoilt.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    if rng.random() < 0.5:
        grain = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(1, 9)
        spoilt = Image.fromarray(np.clip(np.asarray(spoilt, np.float32) + grain, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        file = io.BytesIO()
        spoilt.save(file, "JPEG", quality=int(rng.integers(55, 95)))
        with Image.open(file) as compressed:
            spoilt = compressed.convert("RGB")
    return np.asarray(spoilt)
