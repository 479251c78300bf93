"""Boxes against the masks of the same pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from komadori.core import geometry, masks
from komadori.core.masks import Rle

SIZE_HW = (12, 17)


@st.composite
def pixel_boxes(draw: st.DrawFn) -> list[int]:
    left, right = sorted(draw(st.tuples(st.integers(0, 17), st.integers(0, 17))))
    top, bottom = sorted(draw(st.tuples(st.integers(0, 12), st.integers(0, 12))))
    return [left, top, right, bottom]


def filled(box: list[int]) -> Rle:
    left, top, right, bottom = box
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[top:bottom, left:right] = True
    return masks.encode(mask)


@given(st.lists(pixel_boxes(), min_size=1, max_size=4), st.lists(pixel_boxes(), min_size=1, max_size=4))
def test_box_iou_is_the_iou_of_the_filled_boxes(a: list[list[int]], b: list[list[int]]) -> None:
    expected = masks.iou_matrix([filled(box) for box in a], [filled(box) for box in b])

    np.testing.assert_allclose(geometry.box_iou(np.array(a), np.array(b)), expected, rtol=1e-6)


@given(st.lists(pixel_boxes(), min_size=1, max_size=4))
def test_the_notations_are_inverse(boxes: list[list[int]]) -> None:
    xyxy = np.array(boxes, np.float32)

    assert np.array_equal(geometry.xywh_to_xyxy(geometry.xyxy_to_xywh(xyxy)), xyxy)
    assert np.array_equal(geometry.clip_xyxy(xyxy, SIZE_HW), xyxy)
