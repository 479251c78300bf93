"""Masks against ``pycocotools``, the reference reader and writer of the format."""

import contextlib
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as reference

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Mask, Rle

# Its compiled part has an __array__ without the arguments of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RING = np.pad(np.zeros((3, 3), np.bool_), 2, constant_values=True)
TWO_PARTS = np.array([[1, 0, 0, 1], [1, 0, 0, 1]], np.bool_)


@st.composite
def drawn_masks(draw: st.DrawFn, shape: tuple[int, int] | None = None) -> Mask:
    """Noise, or rectangles added and cut out: many short runs, or parts with holes."""
    side = st.integers(1, 40)
    shape = shape or (draw(side), draw(side))
    if draw(st.booleans()):
        return draw(arrays.arrays(np.bool_, shape))
    mask = np.zeros(shape, np.bool_)
    for is_object in draw(st.lists(st.booleans(), max_size=6)):
        top, left = draw(st.integers(0, shape[0])), draw(st.integers(0, shape[1]))
        mask[top : top + draw(side), left : left + draw(side)] = is_object
    return mask


@st.composite
def mask_lists(draw: st.DrawFn) -> list[Mask]:
    shape = (draw(st.integers(1, 20)), draw(st.integers(1, 20)))
    return draw(st.lists(drawn_masks(shape), min_size=1, max_size=5))


def by_reference(mask: Mask) -> dict[str, Any]:
    encoded: dict[str, Any] = reference.encode(np.asfortranarray(mask, np.uint8))
    return encoded


@given(drawn_masks(), st.sampled_from("CF"))
@example(np.zeros((3, 5), np.bool_), "C")
@example(np.ones((3, 5), np.bool_), "C")
@example(np.ones((1, 7), np.bool_), "F")
@example(np.ones((7, 1), np.bool_), "C")
@example(np.eye(6, dtype=np.bool_), "C")
@example(RING, "C")
@example(TWO_PARTS, "F")
def test_encode_gives_the_reference_bytes_and_decode_the_mask(mask: Mask, order: Any) -> None:
    rle = masks.encode(np.asarray(mask, order=order))

    assert rle.counts == by_reference(mask)["counts"]
    assert np.array_equal(masks.decode(rle), mask)


@given(drawn_masks())
def test_encode_takes_a_strided_view(mask: Mask) -> None:
    wide = np.repeat(np.repeat(mask, 2, axis=0), 3, axis=1)

    assert masks.encode(wide[::2, ::3]) == masks.encode(mask)


@given(drawn_masks())
@example(RING)
@example(np.ones((4, 2), np.bool_))
def test_area_and_box_are_the_reference_ones(mask: Mask) -> None:
    rle = masks.encode(mask)
    x, y, width, height = reference.toBbox(by_reference(mask))

    assert rle.area == mask.sum()
    assert rle.bbox_xyxy == (x, y, x + width, y + height)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=60))
@example([0, 2**31 - 1])
@example([15, 16, 31, 32, 0, 0])
def test_runs_survive_the_string(runs: list[int]) -> None:
    decoded = masks.decode_runs(masks.encode_runs(np.array(runs)))

    assert decoded.tolist() == runs


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30).filter(any))
def test_runs_of_no_pixels_are_read_as_the_reference_reads_them(runs: list[int]) -> None:
    rle = Rle.from_coco({"size": [sum(runs), 1], "counts": runs})
    mask = masks.decode(rle)

    assert np.array_equal(mask, reference.decode(rle.to_coco()).astype(np.bool_))
    assert rle.area == mask.sum()
    assert rle.bbox_xyxy == masks.encode(mask).bbox_xyxy
    assert masks.merge([rle]) == masks.encode(mask)


@given(mask_lists(), mask_lists())
def test_iou_matrix_is_the_reference_one(first: list[Mask], second: list[Mask]) -> None:
    shape = first[0].shape
    second = [np.resize(mask, shape) for mask in second]

    matrix = masks.iou_matrix([masks.encode(m) for m in first], [masks.encode(m) for m in second])

    crowds = [0] * len(second)
    expected = reference.iou([by_reference(m) for m in first], [by_reference(m) for m in second], crowds)
    np.testing.assert_allclose(matrix, expected, rtol=1e-12)


@given(mask_lists())
@example([np.ones((2, 2), np.bool_), RING[:2, :2]])
def test_merge_gives_the_reference_bytes_of_the_union(drawn: list[Mask]) -> None:
    merged = masks.merge([masks.encode(mask) for mask in drawn])

    assert merged.counts == reference.merge([by_reference(mask) for mask in drawn])["counts"]
    assert np.array_equal(masks.decode(merged), np.logical_or.reduce(drawn))


@given(drawn_masks())
def test_coco_forms_lead_to_the_same_mask(mask: Mask) -> None:
    rle = masks.encode(mask)
    runs = masks.decode_runs(rle.counts).tolist()

    assert Rle.from_coco(rle.to_coco()) == rle
    assert Rle.from_coco({"size": rle.size_hw, "counts": rle.counts}) == rle
    assert Rle.from_coco({"size": rle.size_hw, "counts": runs}) == rle


@given(st.binary(max_size=12))
def test_any_bytes_are_either_runs_or_an_input_error(counts: bytes) -> None:
    with contextlib.suppress(InputError):
        assert masks.decode_runs(counts).min() >= 0
