"""Boxes: float32 xyxy in pixels of the decoded, upright frame, edges as in :mod:`~komadori.core.masks`.

A box covers from its left and top edge up to its right and bottom one, so a box of one
pixel is ``(x, y, x + 1, y + 1)`` and ``x1 - x0`` is a width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(N, 4) float32 pixels; N boxes."""


def xyxy_to_xywh(xyxy: NDArray[Any]) -> Boxes:
    """The boxes (N, 4) as left, top, width, height.

    Raises:
        ValueError: The shape is another one.
    """
    boxes = _checked(xyxy)
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def xywh_to_xyxy(xywh: NDArray[Any]) -> Boxes:
    """The boxes (N, 4) as left, top, right, bottom.

    Raises:
        ValueError: The shape is another one.
    """
    boxes = _checked(xywh)
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def clip_xyxy(xyxy: NDArray[Any], size_hw: tuple[int, int]) -> Boxes:
    """The parts of the boxes (N, 4) that lie in a frame; a box outside it gets no area.

    Raises:
        ValueError: The shape is another one.
    """
    height, width = size_hw
    return np.clip(_checked(xyxy), 0, np.array([width, height, width, height], np.float32))


def has_part_inside(xyxy: NDArray[Any], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of the boxes (N, 4) have their edges in order and an area in a frame of that size, (N,) bool.

    Raises:
        ValueError: The shape is another one.
    """
    clipped = clip_xyxy(xyxy, size_hw)
    is_inside: NDArray[np.bool_] = np.all(clipped[:, 2:] > clipped[:, :2], axis=1)  # False for NaN
    return is_inside


def box_area(xyxy: NDArray[Any]) -> NDArray[np.float32]:
    """The areas (N,) float32 in pixels; 0 for a box whose edges are in the wrong order.

    Raises:
        ValueError: The shape is another one.
    """
    boxes = _checked(xyxy)
    areas: NDArray[np.float32] = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return areas


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    """Intersection over union of each of N boxes (N, 4) with each of M (M, 4), as (N, M) float32.

    0 where neither box has an area.

    Raises:
        ValueError: A shape is another one.
    """
    left, right = _checked(a)[:, None], _checked(b)[None]
    edges = np.minimum(left[..., 2:], right[..., 2:]) - np.maximum(left[..., :2], right[..., :2])
    overlaps = np.prod(np.maximum(edges, 0), axis=-1)
    unions = box_area(a)[:, None] + box_area(b)[None] - overlaps
    matrix: NDArray[np.float32] = np.divide(overlaps, unions, out=np.zeros_like(overlaps), where=unions > 0)
    return matrix


def _checked(boxes: NDArray[Any]) -> Boxes:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"expected boxes (N, 4), got {boxes.shape}")
    return boxes.astype(np.float32)
