"""Scenes as SigLIP's training reads them: small pictures, what each patch shows, which kinds are seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scripts.demo_training.captions import class_numbers

from komadori.demo_world.kinds import kinds
from komadori.demo_world.sampling import Taste, random_scene, spoil
from komadori.demo_world.scene import Picture, draw

IMAGE_SIZE = 96
PATCH_SIZE = 8
N_PATCHES = (IMAGE_SIZE // PATCH_SIZE) ** 2

VISIBLE = 0.3
"""A kind counts as seen from this share of a thing's pixels on."""


CLOSE_UPS = 0.12
"""The share of scenes that one thing fills."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """N scenes.

    Attributes:
        images: (N, 3, 96, 96) uint8 RGB.
        patches: (N, 144, K + 1) uint8, how many pixels of each patch show each of K kinds; the last
            column is for everything else.
        seen: (N, K), which kinds are there.
    """

    images: NDArray[np.uint8]
    patches: NDArray[np.uint8]
    seen: NDArray[np.bool_]


def taste_at(progress: float, rng: np.random.Generator) -> Taste:
    """What to draw when ``progress`` of the training (0 to 1) is over.

    It begins with one big thing; over the first 30 % things get smaller and more. A third of the
    scenes keep to one thing to the end, and some of these are close-ups, as what a person cuts out of
    a frame to search by.
    """
    grown = min(1.0, progress / 0.3)
    if rng.random() < CLOSE_UPS:
        return Taste((1, 1), (0.7, 1.1), bars=0.1 * grown)
    smallest = 0.5 - 0.32 * grown
    largest = 0.9 - 0.2 * grown
    most = 1 + int(np.floor(4.0 * grown + 1e-6))
    is_single = rng.random() < 0.34
    return Taste((1, 1 if is_single else most), (smallest, largest), repeats=0.15, bars=0.2 * grown)


def random_scenes(rng: np.random.Generator, n: int, progress: float = 1.0) -> Scenes:
    """Draw ``n`` scenes and spoil their pictures; about 6 ms each."""
    scenes = empty_scenes(n)
    for row in range(n):
        scene = random_scene(rng, taste_at(progress, rng), ground_wh=(IMAGE_SIZE, IMAGE_SIZE))
        picture = draw(scene, (IMAGE_SIZE, IMAGE_SIZE))
        scenes.images[row] = spoil(rng, picture.image).transpose(2, 0, 1)
        scenes.patches[row] = _pixels_per_patch(picture)
        scenes.seen[row] = _kinds_seen(picture)
    return scenes


def empty_scenes(n: int) -> Scenes:
    """Room for ``n`` scenes."""
    return Scenes(
        np.zeros((n, 3, IMAGE_SIZE, IMAGE_SIZE), np.uint8),
        np.zeros((n, N_PATCHES, len(kinds()) + 1), np.uint8),
        np.zeros((n, len(kinds())), np.bool_),
    )


class ScenePool:
    """The newest ``capacity`` scenes, of which some are replaced at each step.

    Args:
        rng: Decides the scenes and which of them are taken.
        capacity: How many scenes to keep.
    """

    def __init__(self, rng: np.random.Generator, capacity: int) -> None:
        self._rng = rng
        self._scenes = empty_scenes(capacity)
        self._n_drawn = 0

    def renew(self, n: int, progress: float) -> None:
        """Draw ``n`` scenes, in place of the oldest where there is no room."""
        fresh = random_scenes(self._rng, n, progress)
        rows = (self._n_drawn + np.arange(n)) % len(self._scenes.seen)
        for name in ("images", "patches", "seen"):
            getattr(self._scenes, name)[rows] = getattr(fresh, name)
        self._n_drawn += n

    def take(self, n: int) -> Scenes:
        """``n`` different scenes, each mirrored or not."""
        n_there = min(self._n_drawn, len(self._scenes.seen))
        rows = self._rng.choice(n_there, n, replace=False)
        images, patches = self._scenes.images[rows], self._scenes.patches[rows]
        is_mirrored = self._rng.random(n) < 0.5
        images[is_mirrored] = images[is_mirrored][..., ::-1]
        grid = patches.reshape(n, IMAGE_SIZE // PATCH_SIZE, -1, patches.shape[-1])
        grid[is_mirrored] = grid[is_mirrored][:, :, ::-1]
        return Scenes(images, patches, self._scenes.seen[rows])


def _pixels_per_patch(picture: Picture) -> NDArray[np.uint8]:
    """(144, K + 1) how many pixels of each patch belong to each kind, the last column to none."""
    side = IMAGE_SIZE // PATCH_SIZE
    table = np.zeros((N_PATCHES, len(kinds()) + 1), np.uint8)
    cells = picture.masks.reshape(-1, side, PATCH_SIZE, side, PATCH_SIZE)
    counts = cells.sum(axis=(2, 4)).reshape(-1, N_PATCHES).astype(np.uint8)
    for thing, pixels in zip(picture.things, counts, strict=True):
        table[:, class_numbers()[thing.kind]] += pixels
    table[:, -1] = PATCH_SIZE**2 - table.sum(axis=1)
    return table


def _kinds_seen(picture: Picture) -> NDArray[np.bool_]:
    """(K,) which kinds the picture shows well enough to be named."""
    seen = np.zeros(len(kinds()), np.bool_)
    for thing, share in zip(picture.things, picture.visible, strict=True):
        seen[class_numbers()[thing.kind]] |= bool(share >= VISIBLE)
    return seen
