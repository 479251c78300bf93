"""Generated clips of every shape that matters, and what each of their frames shows, by its time.

All together have no kind twice, so that a search for one has its answers in a single clip and shot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import Image
from komadori.demo_world.footage import random_lens, write_footage
from komadori.demo_world.motion import Film
from komadori.demo_world.scene import draw
from komadori.demo_world.truth import Truth

FPS = Fraction(4)
"""Slow enough that neighbouring frames differ by more than the compression leaves open."""

ABSENT = "key"
"""A kind that no clip shows."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What to generate; the sizes are those of the upright frames.

    Attributes:
        name: Of the file, without its suffix.
        width: In pixels.
        height: In pixels.
        n_frames: At most; fewer than the shots have room for.
        rotation: The clockwise turn in degrees that the file asks for.
        shots: The kinds of the things in each shot.
        is_variable: At irregular times, the first one late: no frame is at its index / fps.
    """

    name: str
    width: int
    height: int
    n_frames: int
    rotation: int
    shots: tuple[tuple[str, ...], ...]
    is_variable: bool = False

    @property
    def kinds(self) -> list[str]:
        """The kinds of all shots."""
        return [kind for shot in self.shots for kind in shot]


LANDSCAPE = Clip(
    "landscape",
    320,
    180,
    30,
    0,
    (
        ("red apple", "penguin", "umbrella", "bus"),
        ("banana", "octopus", "crown", "tree"),
        ("carrot", "panda", "red heart", "airplane"),
    ),
    is_variable=True,
)
TURNED = Clip("turned", 180, 320, 8, 90, (("watermelon", "owl", "car", "star"),))
UPSIDE_DOWN = Clip("upside-down", 240, 240, 8, 180, (("strawberry", "frog", "blue book", "sunflower"),))
ODD = Clip("odd", 321, 241, 8, 270, (("broccoli", "dog", "rocket", "soccer ball"),))
SINGLE = Clip("single", 240, 320, 1, 0, (("pineapple", "cat", "sailboat", "yellow heart"),))
CLIPS = (LANDSCAPE, TURNED, UPSIDE_DOWN, ODD, SINGLE)


@dataclass(frozen=True, slots=True)
class Footage:
    """A written clip.

    Attributes:
        clip: What it was generated from.
        path: The video.
        truth: What its frames show.
        pictures: The upright frames as they went into the encoder.
    """

    clip: Clip
    path: Path
    truth: Truth
    pictures: Sequence[Image]


def film(clip: Clip, folder: Path) -> Footage:
    """Write a clip into a folder: H.264 with frames that refer to later ones."""
    path, seed = folder / f"{clip.name}.mp4", sum(clip.name.encode())
    truth = write_footage(
        path,
        seed,
        width=clip.width,
        height=clip.height,
        n_frames=clip.n_frames,
        fps=FPS,
        shots=clip.shots,
        rotation=clip.rotation,
        start_s=2.5 if clip.is_variable else 0.0,
        is_variable=clip.is_variable,
    )
    return Footage(clip, path, truth, _pictures(clip, seed, truth))


def differences(image: Image, pictures: Sequence[Image]) -> NDArray[np.float64]:
    """(N,) the mean difference of a picture from each of N, in grey levels, all three channels alike."""
    return np.array([np.abs(image.astype(np.int16) - other).mean() for other in pictures])


def _pictures(clip: Clip, seed: int, truth: Truth) -> list[Image]:
    """The frames drawn once more, at the times that the truth tells."""
    times_s = [truth.pts_s(frame) for frame in truth.frames]
    duration_s = times_s[-1] - times_s[0] + float(1 / FPS)
    drawn = Film(seed, clip.width, clip.height, shots=clip.shots, duration_s=duration_s)
    lens = random_lens(seed)
    return [
        lens.expose(draw(drawn.scene_at(time_s - times_s[0])).image, index)
        for index, time_s in enumerate(times_s)
    ]
