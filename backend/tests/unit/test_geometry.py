"""Boxes on written-out examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from komadori.core import geometry

XYXY = np.array([[1, 2, 4, 8], [0, 0, 1, 1]], np.float32)
XYWH = np.array([[1, 2, 3, 6], [0, 0, 1, 1]], np.float32)


def test_the_two_notations() -> None:
    assert np.array_equal(geometry.xyxy_to_xywh(XYXY), XYWH)
    assert np.array_equal(geometry.xywh_to_xyxy(XYWH), XYXY)


def test_boxes_are_float32_whatever_came() -> None:
    assert geometry.xyxy_to_xywh(XYXY.astype(np.int64)).dtype == np.float32


def test_clipping_leaves_what_lies_in_the_frame() -> None:
    boxes = np.array([[-5, -5, 5, 5], [8, 2, 30, 4], [50, 50, 60, 60]], np.float32)

    clipped = geometry.clip_xyxy(boxes, size_hw=(10, 20))

    assert clipped.tolist() == [[0, 0, 5, 5], [8, 2, 20, 4], [20, 10, 20, 10]]
    assert geometry.box_area(clipped).tolist() == [25, 24, 0]


def test_iou_matrix() -> None:
    a = np.array([[0, 0, 4, 4], [10, 10, 12, 12]], np.float32)
    b = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4]], np.float32)

    np.testing.assert_allclose(
        geometry.box_iou(a, b), np.array([[1.0, 1 / 3, 0.0], [0.0, 0.0, 0.0]]), rtol=1e-6
    )


def test_boxes_without_area_overlap_nothing() -> None:
    flat = np.array([[3, 3, 3, 9], [5, 5, 1, 1]], np.float32)

    assert geometry.box_iou(flat, flat).tolist() == [[0, 0], [0, 0]]


def test_no_boxes_at_all() -> None:
    none = np.zeros((0, 4), np.float32)

    assert geometry.box_iou(none, XYXY).shape == (0, 2)
    assert geometry.xyxy_to_xywh(none).shape == (0, 4)


@pytest.mark.parametrize("convert", [geometry.xyxy_to_xywh, geometry.xywh_to_xyxy, geometry.box_area])
@pytest.mark.parametrize("shape", [(4,), (2, 5), (1, 1, 4)])
def test_other_shapes_are_named(convert: Callable[..., Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected boxes \(N, 4\), got"):
        convert(np.zeros(shape, np.float32))
