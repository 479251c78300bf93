"""Measures how well a SAM 3 checkpoint answers clicks on unseen frames, through the product's own adapter.

As interactive segmentation is usually measured: the first point lies deepest in the thing, each further
one deepest in the largest part where the answer is wrong, and the answer before is the former mask.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from scripts.demo_training.unseen_frames import TrueFrame

from komadori.core.masks import Rle, decode, iou
from komadori.core.types import ClickPrompt, JsonDict
from komadori.demo_world.measures import SEEN_FROM
from komadori.ml.segmenters.base import ClickSegmenter, ConceptSegmenter, clickable

N_POINTS = 3
FOUND_FROM = 0.5


def click_measures(segmenter: ConceptSegmenter, frames: Iterable[TrueFrame]) -> JsonDict:
    """Mean IoU of all things that are seen well enough, after one point, after three, and for a box."""
    clicked = clickable(segmenter)
    first: list[float] = []
    last: list[float] = []
    boxes: list[float] = []
    for frame in frames:
        for number in np.flatnonzero(frame.visible >= SEEN_FROM).tolist():
            truth = frame.masks[number]
            after = _overlaps_of_points(clicked, frame, truth)
            first.append(after[0])
            last.append(after[-1])
            prompt = ClickPrompt(box_xyxy=np.array(truth.bbox_xyxy, np.float32))
            boxes.append(iou(clicked.refine(frame.image, prompt).mask, truth))
    return {
        "things": len(first),
        "one_point": float(np.mean(first)),
        "one_point_found": float(np.mean(np.array(first) >= FOUND_FROM)),
        "three_points": float(np.mean(last)),
        "box": float(np.mean(boxes)),
    }


def _overlaps_of_points(segmenter: ClickSegmenter, frame: TrueFrame, truth: Rle) -> list[float]:
    """After each of the points; one that is right to the last pixel needs no further ones."""
    true = decode(truth)
    points, signs = [_deepest(true)], [True]
    former: Rle | None = None
    overlaps: list[float] = []
    while len(overlaps) < N_POINTS:
        prompt = ClickPrompt(np.array(points, np.float32), np.array(signs), mask=former)
        former = segmenter.refine(frame.image, prompt).mask
        overlaps.append(iou(former, truth))
        drawn = decode(former)
        missed, invented = _largest_part(true & ~drawn), _largest_part(drawn & ~true)
        is_missed = bool(missed.sum() >= invented.sum())
        wrong = missed if is_missed else invented
        if not wrong.any():
            return overlaps
        points.append(_deepest(wrong))
        signs.append(is_missed)
    return overlaps


def _deepest(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """The middle of the pixel that is farthest from the mask's edge; the frame's edge is one, too."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return float(x) + 0.5, float(y) + 0.5


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n = label(mask)
    if n < 2:
        return mask
    largest: NDArray[np.bool_] = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return largest
