"""Clicks for a checkpoint of SAM 3 without a tracker, by what it has: example boxes.

A small box around a point is an example. The model finds everything like it, and the object under the
point is the one that was meant. So a thing is told from others, but not from its own parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.geometry import box_iou, clip_xyxy
from komadori.core.masks import Mask
from komadori.core.types import ClickPrompt, ConceptPrompt, Image, Refinement
from komadori.ml.segmenters.base import ConceptSegmenter

POINT_SHARE = 0.2
"""Width and height of the box around a point, as a share of the frame's."""

CANDIDATES_FROM = 0.05
"""Where a person says that there is something, little confidence will do."""

_Point = NDArray[np.float32]


class ExampleClicks:
    """Makes masks of clicks with a segmenter that knows concepts only."""

    def __init__(self, segmenter: ConceptSegmenter) -> None:
        self._segmenter = segmenter

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """The objects under the positive points, or else the one in the box, added to the former mask.

        What lies under a negative point is taken away, unless it lies under a positive one as well. The
        confidence is that of the least certain object, 0 without any.
        """
        candidates = self._candidates(image, prompt)
        on, beside = prompt.points_xy[prompt.point_is_positive], prompt.points_xy[~prompt.point_is_positive]
        choices = [[c for c in candidates if c.covers(point)] for point in on]
        if not len(on) and prompt.box_xyxy is not None:
            choices = [candidates]
        chosen = [_best(some, on, beside, prompt.box_xyxy) for some in choices if some]
        found = np.zeros(image.shape[:2], np.bool_) if prompt.mask is None else masks.decode(prompt.mask)
        for candidate in chosen:
            found = found | candidate.mask
        for candidate in candidates:
            if _covers_any(candidate, beside) and not _covers_any(candidate, on):
                found = found & ~candidate.mask
        return Refinement(masks.encode(found), min((c.confidence for c in chosen), default=0.0))

    def _candidates(self, image: Image, prompt: ClickPrompt) -> list["_Candidate"]:
        """What the segmenter finds like the box and like the surroundings of each point."""
        boxes = [] if prompt.box_xyxy is None else [prompt.box_xyxy]
        half = np.array([image.shape[1], image.shape[0]], np.float32) * POINT_SHARE / 2
        boxes += [np.concatenate([point - half, point + half]) for point in prompt.points_xy]
        examples = [
            ConceptPrompt("clicked", None, clip_xyxy(box[None], image.shape[:2]), np.ones(1, np.bool_))
            for box in boxes
        ]
        [by_example] = self._segmenter.segment(
            [image], examples, score_threshold=CANDIDATES_FROM, mask_threshold=0.5
        )
        return [
            _Candidate(masks.decode(mask), box, float(confidence))
            for found in by_example
            for mask, box, confidence in zip(found.masks or [], found.xyxy, found.confidence, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """An object that may be meant: its mask (H, W), its box (4,) and how sure the model is of it."""

    mask: Mask
    xyxy: NDArray[np.float32]
    confidence: float

    def covers(self, point_xy: _Point) -> bool:
        height, width = self.mask.shape
        x, y = min(int(point_xy[0]), width - 1), min(int(point_xy[1]), height - 1)
        return bool(self.mask[y, x])


def _best(
    candidates: Sequence[_Candidate], on: _Point, beside: _Point, box_xyxy: _Point | None
) -> _Candidate:
    """One that no negative point lies on, if there is any; of those the nearest to the box.

    Without a box the one that most positive points lie on, and then the surest.
    """
    free = [c for c in candidates if not _covers_any(c, beside)] or candidates
    if box_xyxy is None:
        return max(free, key=lambda c: (sum(c.covers(p) for p in on), c.confidence))
    overlaps = box_iou(box_xyxy[None], np.stack([c.xyxy for c in free]))[0]
    return free[int(overlaps.argmax())]


def _covers_any(candidate: _Candidate, points_xy: _Point) -> bool:
    return any(candidate.covers(point) for point in points_xy)
