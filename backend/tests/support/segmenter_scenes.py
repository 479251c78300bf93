"""Frames and prompts for the tests of segmenters."""

import numpy as np

from komadori.core.masks import Rle
from komadori.core.types import ClickPrompt, ConceptPrompt, Image

RED = (220, 30, 30)
GREEN = (30, 190, 40)
BLUE = (40, 60, 220)
BACKGROUND = (96, 98, 100)

LOOSE = {"score_threshold": 0.0, "mask_threshold": 0.5}
"""Everything that a model proposes."""


def scene(height: int = 90, width: int = 160) -> Image:
    """A large red, a small red and a green rectangle on grey; nothing is blue."""
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for colour, box in ((RED, (10, 10, 40, 60)), (RED, (60, 10, 80, 30)), (GREEN, (60, 60, 90, 90))):
        x0, y0, x1, y1 = percent_box(box, height, width)
        image[y0:y1, x0:x1] = colour
    return image


def percent_box(box: tuple[int, int, int, int], height: int, width: int) -> tuple[int, int, int, int]:
    """A box in per cent of the frame as whole pixels."""
    x0, y0, x1, y1 = box
    return x0 * width // 100, y0 * height // 100, x1 * width // 100, y1 * height // 100


def noise(height: int, width: int, seed: int) -> Image:
    """A frame that is like no other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(text: str, class_name: str | None = None) -> ConceptPrompt:
    """A prompt of words alone."""
    return ConceptPrompt(class_name or text, text)


def exemplars(*boxes: tuple[float, float, float, float, bool], text: str | None = None) -> ConceptPrompt:
    """A prompt of boxes, each with whether it is one of those that are looked for."""
    return ConceptPrompt(
        "exemplar",
        text,
        np.array([box[:4] for box in boxes], np.float32),
        np.array([box[4] for box in boxes], np.bool_),
    )


def click(
    *points: tuple[float, float, bool],
    box: tuple[float, float, float, float] | None = None,
    mask: Rle | None = None,
) -> ClickPrompt:
    """Clicks: points, each with whether it is on the object, and what they begin with."""
    return ClickPrompt(
        np.array([point[:2] for point in points], np.float32).reshape(-1, 2),
        np.array([point[2] for point in points], np.bool_),
        None if box is None else np.array(box, np.float32),
        mask,
    )
