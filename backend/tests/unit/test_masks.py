"""What masks look like in bytes, and which input they refuse."""

from typing import Any

import numpy as np
import pytest

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Rle


def test_a_known_mask_has_the_known_string() -> None:
    mask = np.zeros((4, 5), np.bool_)
    mask[1:3, 1:4] = True

    rle = masks.encode(mask)

    assert masks.decode_runs(rle.counts).tolist() == [5, 2, 2, 2, 2, 2, 5]
    assert rle == Rle((4, 5), b"5220003")
    assert rle.area == 6
    assert rle.bbox_xyxy == (1.0, 1.0, 4.0, 3.0)
    assert rle.to_coco() == {"size": [4, 5], "counts": "5220003"}


def test_a_hole_and_a_second_part_survive() -> None:
    mask = np.zeros((9, 12), np.bool_)
    mask[1:8, 1:8] = True
    mask[3:6, 3:6] = False
    mask[0, 11] = True

    rle = masks.encode(mask)

    assert rle.area == 7 * 7 - 3 * 3 + 1
    assert np.array_equal(masks.decode(rle), mask)


def test_iou_of_known_squares() -> None:
    left, right = np.zeros((2, 10, 10), np.bool_)
    left[:, :6] = True
    right[:, 4:] = True

    assert masks.iou(masks.encode(left), masks.encode(right)) == pytest.approx(0.2)
    assert masks.iou(masks.encode(left), masks.encode(left)) == 1.0


def test_empty_masks_overlap_nothing() -> None:
    empty = masks.encode(np.zeros((3, 4), np.bool_))

    assert empty.area == 0
    assert empty.bbox_xyxy == (0.0, 0.0, 0.0, 0.0)
    assert masks.iou(empty, empty) == 0.0
    assert masks.merge([empty, empty]) == empty
    assert masks.iou_matrix([empty], []).shape == (1, 0)


@pytest.mark.parametrize(
    ("size_hw", "counts"),
    [
        pytest.param((2, 2), masks.encode_runs(np.array([3])), id="too-short"),
        pytest.param((2, 2), masks.encode_runs(np.array([3, 2])), id="too-long"),
        pytest.param((0, 4), masks.encode_runs(np.array([0])), id="no-height"),
        pytest.param((-2, -2), masks.encode_runs(np.array([4])), id="negative"),
        pytest.param((2**16, 2**16), masks.encode_runs(np.array([4])), id="too-large"),
        pytest.param((2, 2), b"", id="empty"),
        pytest.param((2, 2), b"T", id="cut-off"),
        pytest.param((2, 2), b"4 ", id="foreign-letter"),
        pytest.param((2, 2), b"oooooooooo0", id="run-of-too-many-bits"),
        pytest.param((2, 2), b"5O", id="negative-run"),
    ],
)
def test_a_string_that_is_no_mask_of_its_size_is_refused(size_hw: tuple[int, int], counts: bytes) -> None:
    with pytest.raises(InputError) as caught:
        Rle(size_hw, counts)

    assert caught.value.code == "invalid-mask"
    assert caught.value.hint


@pytest.mark.parametrize(
    "segmentation",
    [
        {},
        {"size": [2, 2]},
        {"size": 4, "counts": "4"},
        {"size": [2, 2, 1], "counts": "4"},
        {"size": [2.0, 2.0], "counts": "4"},
        {"size": [2, 2], "counts": 4},
        {"size": [2, 2], "counts": "４"},
        {"size": [2, 2], "counts": [1.5, 2.5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [2**70]},
        {"size": [2, 2], "counts": []},
    ],
)
def test_other_json_is_refused(segmentation: Any) -> None:
    with pytest.raises(InputError):
        Rle.from_coco(segmentation)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((2, 2), np.uint8), np.zeros((1, 2, 2), np.bool_), np.zeros((0, 2), np.bool_)],
)
def test_encode_refuses_other_arrays(mask: Any) -> None:
    with pytest.raises(InputError):
        masks.encode(mask)


def test_masks_of_two_sizes_cannot_meet() -> None:
    tall, wide = masks.encode(np.ones((3, 2), np.bool_)), masks.encode(np.ones((2, 3), np.bool_))

    with pytest.raises(InputError, match="one size"):
        masks.iou(tall, wide)
    with pytest.raises(InputError, match="one size"):
        masks.merge([tall, wide])
    with pytest.raises(InputError, match="at least one"):
        masks.merge([])
