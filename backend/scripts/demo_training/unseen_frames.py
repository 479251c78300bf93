"""Frames that no training drew, as the pipeline decodes them, with what is really there."""

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from komadori.core.masks import Rle, encode
from komadori.core.types import Image as Pixels
from komadori.demo_world.kinds import families, kinds
from komadori.demo_world.sampling import Taste, random_scene, spoil
from komadori.demo_world.scene import Scene, draw

SHAPES_WH = ((640, 360), (360, 640), (480, 360), (321, 241), (640, 360), (360, 480), (250, 333), (360, 360))
"""Landscape and portrait, even and odd."""

JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class TrueFrame:
    """A frame and the N things that it shows.

    Attributes:
        image: (H, W, 3) uint8 RGB, decoded from a JPEG.
        kinds: The kind of each thing.
        masks: What is seen of each, in the size of the frame.
        visible: (N,) float32, the share of each that is seen.
    """

    image: Pixels
    kinds: list[str]
    masks: list[Rle]
    visible: NDArray[np.float32]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def numbers_of(self, wanted: Collection[str]) -> list[int]:
        """Which things are of these kinds."""
        return [number for number, kind in enumerate(self.kinds) if kind in wanted]


def frames(seed: int, n: int) -> Iterator[TrueFrame]:
    """``n`` frames of one to five things of any kind."""
    rng = np.random.default_rng([seed, 0])
    for number in range(n):
        yield _frame(rng, Taste(), SHAPES_WH[number % len(SHAPES_WH)])


def frames_of_families(seed: int, n: int) -> Iterator[TrueFrame]:
    """``n`` frames in which things that differ in colour alone are frequent."""
    rng = np.random.default_rng([seed, 1])
    names = [kind.name for kind in kinds()]
    for number in range(n):
        family = sorted(families()[number % len(families())])
        others = [names[int(rng.integers(len(names)))] for _ in range(2)]
        taste = Taste(n_things=(2, 5), kinds=(*family, *others))
        yield _frame(rng, taste, SHAPES_WH[number % len(SHAPES_WH)])


def _frame(rng: np.random.Generator, taste: Taste, frame_wh: tuple[int, int]) -> TrueFrame:
    picture = draw(scene_of_things(rng, taste, frame_wh))
    names = [thing.kind for thing in picture.things]
    # A thing that is wholly hidden is not there.
    seen = np.flatnonzero(picture.masks.any(axis=(1, 2)))
    return TrueFrame(
        as_jpeg(spoil(rng, picture.image), JPEG_QUALITY),
        [names[number] for number in seen],
        [encode(picture.masks[number]) for number in seen],
        picture.visible[seen],
    )


def scene_of_things(rng: np.random.Generator, taste: Taste, frame_wh: tuple[int, int] | None = None) -> Scene:
    """A random scene that has at least one thing."""
    scene = random_scene(rng, taste, frame_wh)
    while not scene.things:
        scene = random_scene(rng, taste, frame_wh)
    return scene


def as_jpeg(image: Pixels, quality: int) -> Pixels:
    """The picture written and read again, as frames are."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))  # torch wants to be able to write
