"""Found masks against true ones: what belongs together, and how far and in which direction it lies apart.

A whole frame is squeezed into the square that a model reads, and its masks come on a grid over that
square. So offsets are told in cells of the grid, which mean the same for every size of frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.core.masks import Rle, decode, encode
from komadori.demo_world import measures, offsets
from komadori.demo_world.kinds import kinds_called
from komadori.demo_world.measures import SEEN_FROM, Case
from komadori.demo_world.offsets import Shift
from komadori.demo_world.truth import TrueFrame

WELL_SEEN = 0.6
"""Offsets are those of things of which at least this share is seen: what is left of others tells little."""

Grid = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A true thing and the found one that fits it.

    Attributes:
        true: The thing's mask.
        found: The other one.
        found_xyxy: The box that came with it, in pixels.
        iou: Of the masks.
        visible: The share of the thing that is seen.
    """

    true: Rle
    found: Rle
    found_xyxy: NDArray[np.float64]
    iou: float
    visible: float


@dataclass(frozen=True, slots=True)
class Question:
    """What a frame was asked for, and what was found.

    Attributes:
        frame: What it truly shows.
        prompt: What was asked for.
        masks: M found ones.
        boxes_xyxy: (M, 4) float64, their boxes in pixels.
        scores: (M,) float64.
    """

    frame: TrueFrame
    prompt: str
    masks: Sequence[Rle]
    boxes_xyxy: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def asked(self) -> list[int]:
        """The positions of the things that the prompt means."""
        wanted = kinds_called(self.prompt)
        return [i for i, name in enumerate(self.frame.names) if name in wanted]

    @property
    def case(self) -> Case:
        """For the measures."""
        asked = self.asked
        true = [self.frame.rles[i] for i in asked]
        return Case(true, self.frame.visibility[asked], self.masks, self.scores)

    def pairs(self) -> list[Pair]:
        """What belongs together, of things that are seen well enough to count."""
        asked = self.asked
        matching = measures.match([self.frame.rles[i] for i in asked], self.masks)
        return [
            Pair(self.frame.rles[asked[i]], self.masks[j], self.boxes_xyxy[j], float(iou), float(visible))
            for i, j, iou in zip(matching.truth, matching.found, matching.iou, strict=True)
            if (visible := self.frame.visibility[asked[i]]) >= SEEN_FROM
        ]


@dataclass(frozen=True, slots=True)
class Lie:
    """How masks lie beside the truth, in cells of the grid.

    Attributes:
        shift: By how much they lie right of and below it.
        stretch: By how much they lie outwards from the frame's middle. A frame that is enlarged by a
            wrong factor has no mean shift, since one half of it goes left and the other right.
    """

    shift: Shift
    stretch: Shift


def lie(pairs: Sequence[Pair], grid_hw: Grid) -> Lie:
    """How the found masks of well seen things lie beside the true ones."""
    shifts, outwards = [], []
    for pair in pairs:
        offset = offsets.offset(pair.true, pair.found) if pair.visible >= WELL_SEEN else None
        if offset is not None:
            cells = np.array(offset.in_cells(pair.true.size_hw, grid_hw))
            shifts.append(cells)
            outwards.append(cells * np.sign(_from_middle(pair.true)))
    return Lie(*(offsets.mean_shift(np.array(cells).reshape(-1, 2)) for cells in (shifts, outwards)))


def moved(pair: Pair, dx: float, dy: float, grid_hw: Grid) -> Pair:
    """The pair with its found mask so many cells further right and down, to the nearest pixel."""
    height, width = pair.found.size_hw
    down, right = round(dy * height / grid_hw[0]), round(dx * width / grid_hw[1])
    mask = np.zeros((height, width), np.bool_)
    mask[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = decode(pair.found)[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return Pair(pair.true, encode(mask), pair.found_xyxy, pair.iou, pair.visible)


def _from_middle(mask: Rle) -> NDArray[np.float64]:
    """(2,) how far right of and below the frame's middle a mask's box is."""
    x0, y0, x1, y1 = mask.bbox_xyxy
    height, width = mask.size_hw
    return np.array([x0 + x1 - width, y0 + y1 - height]) / 2
