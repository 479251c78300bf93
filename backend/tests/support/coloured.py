"""Videos of plain coloured shapes, which the segmenter of colours finds to the pixel."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from komadori.media.encode import TIME_BASE, Encoding, encode_video

SHAPES_WH = (320, 240)
SQUARES_WH = (1280, 720)
N_SHAPES_FRAMES = 6

_GREY, _RED, _BLUE = (90, 90, 90), (220, 30, 30), (30, 60, 220)
_EXACT = Encoding(crf=1, keyframe_every=1)


def write_shapes(path: Path) -> None:
    """Six frames with a red disc around (70, 70), a red square from (200, 40) to (260, 100), a blue box."""
    write_pictures(path, [_shapes(number) for number in range(N_SHAPES_FRAMES)])


def write_squares(path: Path, numbers: Sequence[int]) -> None:
    """A frame with so many red squares for each number, up to 1,000 of them."""
    write_pictures(path, [_squares(n) for n in numbers])


def write_pictures(path: Path, pictures: Iterable[Image.Image]) -> None:
    """Two pictures a second."""
    shown = [np.asarray(picture) for picture in pictures]
    height, width = shown[0].shape[:2]
    step = int(0.5 / TIME_BASE)
    frames = [(number * step, picture) for number, picture in enumerate(shown)]
    encode_video(path, frames, (width, height), encoding=_EXACT)


def _shapes(number: int) -> Image.Image:
    picture = Image.new("RGB", SHAPES_WH, _GREY)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 40, 100, 100), fill=_RED)
    draw.rectangle((200, 40, 259, 99), fill=_RED)
    # It moves, so that no frame looks like another one.
    draw.rectangle((40 + 20 * number, 160, 99 + 20 * number, 199), fill=_BLUE)
    return picture


def _squares(n: int) -> Image.Image:
    """Squares of 24 by 20 in rows of 40."""
    picture = Image.new("RGB", SQUARES_WH, _GREY)
    draw = ImageDraw.Draw(picture)
    for place in range(n):
        x, y = 4 + 32 * (place % 40), 4 + 28 * (place // 40)
        draw.rectangle((x, y, x + 23, y + 19), fill=_RED)
    return picture
