"""Curves and confusion tables, drawn with Pillow alone."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from komadori.cli.pictures import PALETTE

PAPER = (255, 255, 255)
INK = (30, 34, 40)
FAINT_INK = (205, 210, 216)
SEEN = (0, 82, 136)
"""The colour of a cell of a confusion table that holds all frames of its row."""

SIZE_WH = (760, 320)
_MARGIN = (56, 34, 176, 34)
"""Left, top, right and bottom of a chart, in pixels."""

_COLOURS = (*PALETTE, INK, (130, 136, 144))
_CELL = 15
_N_MARKS = 5

Curve = tuple[Sequence[float], Sequence[float]]
"""Steps and values, of one length."""

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def line_chart(title: str, curves: Mapping[str, Curve], top: float | None = None) -> Image.Image:
    """Values over steps, one line and one entry of the legend for each name.

    Args:
        title: Written above.
        curves: By name; values that are not finite leave a gap.
        top: The largest value of the axis; by the values when None. The least is 0.
    """
    picture = Image.new("RGB", SIZE_WH, PAPER)
    draw = ImageDraw.Draw(picture)
    left, upper, right, lower = _MARGIN[0], _MARGIN[1], SIZE_WH[0] - _MARGIN[2], SIZE_WH[1] - _MARGIN[3]
    values = [value for _, ys in curves.values() for value in ys if math.isfinite(value)]
    highest = top or _round_up(max([*values, 1e-6]))
    last = max([step for steps, _ in curves.values() for step in steps], default=1)
    font = _font(13)
    draw.text((left, 8), title, INK, _font(15))
    for n in range(_N_MARKS + 1):
        share = n / _N_MARKS
        y = lower - share * (lower - upper)
        draw.line([(left, y), (right, y)], FAINT_INK)
        draw.text((left - 8, y), f"{share * highest:.3g}", INK, font, anchor="rm")
        x = left + share * (right - left)
        draw.text((x, lower + 8), f"{share * last:.0f}", INK, font, anchor="mt")
    for n, (name, (steps, ys)) in enumerate(curves.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        points = [
            (left + step / last * (right - left), lower - min(1.0, y / highest) * (lower - upper))
            for step, y in zip(steps, ys, strict=True)
            if math.isfinite(y)
        ]
        if len(points) > 1:
            draw.line(points, colour, 2, joint="curve")
        for x, y in points[-1:]:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
        here = upper + 20 * n
        draw.line([(right + 12, here + 8), (right + 30, here + 8)], colour, 3)
        draw.text((right + 36, here + 8), name, INK, font, anchor="lm")
    return picture


def confusion_chart(
    title: str, counts: NDArray[np.integer], names: Sequence[str], label_width: int = 110
) -> Image.Image:
    """A table of K rows (what is there) and K columns (what it was called), darker for more.

    Args:
        title: Written above.
        counts: (K, K).
        names: Of the K kinds.
        label_width: Pixels for the names on either side.
    """
    n = len(names)
    top = 40 + label_width
    picture = Image.new("RGB", (label_width + n * _CELL + 24, top + n * _CELL + 16), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((10, 10), title, INK, _font(15))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, name in enumerate(names):
        y = top + row * _CELL
        draw.text((label_width - 6, y + _CELL / 2), name, INK, _font(12), anchor="rm")
        _write_upwards(picture, (label_width + row * _CELL, top - 6), name, label_width)
        for column in range(n):
            x = label_width + column * _CELL
            colour = _mixed(float(shares[row, column]))
            draw.rectangle([x, y, x + _CELL - 2, y + _CELL - 2], colour)
    return picture


def _write_upwards(picture: Image.Image, foot: tuple[int, int], text: str, length: int) -> None:
    strip = Image.new("RGB", (length, _CELL), PAPER)
    ImageDraw.Draw(strip).text((0, _CELL / 2), text, INK, _font(12), anchor="lm")
    turned = strip.rotate(90, expand=True)
    picture.paste(turned, (foot[0], foot[1] - turned.height))


def _mixed(share: float) -> tuple[int, int, int]:
    """From nearly white to dark; small shares are lifted, so that single mistakes can be seen."""
    strength = math.sqrt(share)
    mixed = [round(245 + (dark - 245) * strength) for dark in SEEN]
    return mixed[0], mixed[1], mixed[2]


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * 0.999)


def _font(size: int) -> _Font:
    return ImageFont.load_default(size)
