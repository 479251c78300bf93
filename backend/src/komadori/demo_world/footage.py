"""Writes a generated video as a camera would have taken it, and beside it what it truly shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from komadori.core.disk import storage_errors
from komadori.core.errors import InputError
from komadori.core.types import Image as Pixels
from komadori.demo_world.motion import Film, random_shots
from komadori.demo_world.scene import draw
from komadori.demo_world.truth import TrueFrame, Truth, true_frame, write_truth
from komadori.media.encode import TIME_BASE, Encoding, encode_video

DEFAULT_FPS = Fraction(12)

LEAST_SIDE = 16
MOST_SIDE = 4096
"""Pixels of a side; smaller ones have no room for a thing, larger ones take minutes for a frame."""


def write_footage(
    path: Path,
    seed: int,
    *,
    width: int = 640,
    height: int = 360,
    n_frames: int = 120,
    fps: Fraction = DEFAULT_FPS,
    shots: Sequence[Sequence[str]] = (),
    n_things: int = 5,
    n_bars: int = 1,
    rotation: int = 0,
    start_s: float = 0.0,
    is_variable: bool = False,
    is_spoilt: bool = True,
    encoding: Encoding | None = None,
) -> Truth:
    """Write a video, and its truth beside it; on one machine the same arguments give the same bytes.

    Args:
        path: The MP4 file; it and its truth are overwritten, its folder is made.
        seed: Decides everything that the other arguments leave open.
        width: Of the upright frames, in pixels; odd ones are written with full colour resolution.
        height: Likewise.
        n_frames: 1 or more.
        fps: Frames a second.
        shots: The kinds of the things in each shot; one shot of ``n_things`` random ones when empty.
        n_things: Of the random shot.
        n_bars: Poles in each shot, which have no name and hide parts of things.
        rotation: The clockwise turn in degrees that the file asks for, as phones write it; frames come out
            of the decoder upright, in the size asked for here.
        start_s: The time of the first frame.
        is_variable: Frames come at irregular times, so that none but the first is at index / fps.
        is_spoilt: With the exposure, tint, blur and grain of a camera; else the pictures are as drawn.
        encoding: How the pictures are compressed.

    Returns:
        What is in ``truth_path(path)``.

    Raises:
        InputError: A size, time, kind, rotation or encoding cannot be.
        DependencyError: What draws the things, or the encoder, is not installed.
        StorageError: A file cannot be written.
    """
    _check(width, height, n_frames, fps, start_s)
    times = _times(seed, n_frames, fps, start_s, is_variable=is_variable)
    duration_s = float((times[-1] - times[0]) * TIME_BASE + 1 / fps)
    film = Film(
        seed,
        width,
        height,
        shots=shots or random_shots(seed, n_things=n_things),
        duration_s=duration_s,
        n_bars=n_bars,
    )
    lens = random_lens(seed) if is_spoilt else None
    frames: list[TrueFrame] = []
    pictures = _pictures(film, times, lens, frames)
    part = path.with_name(f"{path.name}.part")
    with storage_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            encode_video(part, pictures, (width, height), rotation=rotation, encoding=encoding)
            truth = Truth(seed, rotation, TIME_BASE, frames)
            write_truth(truth, truth_path(path))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return truth


def truth_path(video: Path) -> Path:
    """Where the truth of a generated video is."""
    return video.with_suffix(".truth.json")


@dataclass(frozen=True, slots=True)
class Lens:
    """What a camera does to every picture of a video.

    Attributes:
        seed: Of the grain.
        gains: Factor on red, green and blue.
        offset: Added to all, of 255.
        blur_px: Standard deviation of the softness, in pixels.
        grain: Standard deviation of the noise, of 255; it is another one in each frame.
    """

    seed: int
    gains: tuple[float, float, float]
    offset: float
    blur_px: float
    grain: float

    def expose(self, image: Pixels, number: int) -> Pixels:
        """The picture as the camera gives it, the ``number``-th of the video."""
        soft = Image.fromarray(image)
        if self.blur_px:
            soft = soft.filter(ImageFilter.GaussianBlur(self.blur_px))
        levels = np.asarray(soft, np.float32) * np.asarray(self.gains, np.float32) + self.offset
        rng = np.random.default_rng([self.seed, 3, number])
        levels += rng.standard_normal(levels.shape, dtype=np.float32) * self.grain
        spoilt: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return spoilt


def random_lens(seed: int) -> Lens:
    """A camera of the usual faults."""
    rng = np.random.default_rng([seed, 2])
    red, green, blue = (float(gain) for gain in rng.uniform(0.8, 1.1) * (1 + rng.normal(0, 0.03, 3)))
    blur_px = float(rng.uniform(0.2, 0.7)) if rng.random() < 0.5 else 0.0
    return Lens(seed, (red, green, blue), float(rng.normal(0, 6)), blur_px, grain=float(rng.uniform(1, 5)))


def _pictures(
    film: Film, times: Sequence[int], lens: Lens | None, frames: list[TrueFrame]
) -> Iterator[tuple[int, Pixels]]:
    """Draw one frame after the other, and note what it shows in ``frames``."""
    for index, pts in enumerate(times):
        picture = draw(film.scene_at(float((pts - times[0]) * TIME_BASE)))
        frames.append(true_frame(index, pts, picture))
        yield pts, lens.expose(picture.image, index) if lens else picture.image


def _times(seed: int, n_frames: int, fps: Fraction, start_s: float, *, is_variable: bool) -> list[int]:
    """The pts of each frame, the first one at the start."""
    steps = np.ones(n_frames)
    if is_variable:
        # As a phone that lengthens its exposure in the dark: never at the nominal rate, slower on average.
        steps = np.random.default_rng([seed, 4]).choice([0.75, 1.25, 1.5, 2.5], n_frames)
    begins = np.concatenate(([0.0], np.cumsum(steps[:-1]))) / float(fps) + start_s
    return [round(begin / float(TIME_BASE)) for begin in begins.tolist()]


def _check(width: int, height: int, n_frames: int, fps: Fraction, start_s: float) -> None:
    if not (LEAST_SIDE <= width <= MOST_SIDE and LEAST_SIDE <= height <= MOST_SIDE):
        raise InputError(
            f"Expected frames of {LEAST_SIDE} to {MOST_SIDE} pixels a side, got {width} x {height}.",
            hint="640x360 is usual.",
            code="invalid-footage",
        )
    if n_frames < 1 or not 0 < fps <= 1000 or start_s < 0:
        raise InputError(
            "Expected one frame or more, up to 1000 of them a second, and a start at 0 s or later, "
            f"got {n_frames} frames, {fps} a second from {start_s} s.",
            hint="120 frames, 12 a second, from 0 s are usual.",
            code="invalid-footage",
        )
