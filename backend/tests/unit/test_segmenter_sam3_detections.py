"""Raw outputs to detections, on outputs that are written out."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from komadori.core import masks
from komadori.core.types import Detections
from komadori.ml.segmenters._sam3_detections import DetectionRules, read_detections

CERTAIN = 20.0
"""A logit whose probability is 1 in float32."""

FULL, LEFT, TOP, NOTHING = (
    [[1, 1], [1, 1]],
    [[1, 0], [1, 0]],
    [[1, 1], [0, 0]],
    [[0, 0], [0, 0]],
)


def outputs(scores: list[float], shapes: list[list[list[int]]], presence: float = 1.0) -> Any:
    """Outputs for one prompt with the given scores and masks (2, 2), all boxes the middle of the frame."""
    logits = torch.tensor([scores], dtype=torch.float64).logit()
    return SimpleNamespace(
        pred_logits=logits.float(),
        presence_logits=torch.tensor([[presence]]).logit().clamp(max=CERTAIN),
        pred_masks=(torch.tensor([shapes], dtype=torch.float32) * 2 - 1) * CERTAIN,
        pred_boxes=torch.tensor([[[0.25, 0.25, 0.75, 0.75]]]).repeat(1, len(scores), 1),
    )


def read(raw: Any, size_hw: tuple[int, int] = (2, 2), **rules: Any) -> Detections:
    chosen = {"score_threshold": 0.5, "mask_threshold": 0.5, "duplicate_iou": None, **rules}
    return read_detections(raw, 0, size_hw=size_hw, class_name="thing", rules=DetectionRules(**chosen))


def shapes_of(found: Detections) -> list[list[list[int]]]:
    assert found.masks is not None
    return [masks.decode(rle).astype(int).tolist() for rle in found.masks]


def test_the_best_come_first() -> None:
    found = read(outputs([0.6, 0.9, 0.7], [FULL, LEFT, TOP]))

    np.testing.assert_allclose(found.confidence, [0.9, 0.7, 0.6], rtol=1e-6)
    assert shapes_of(found) == [LEFT, TOP, FULL]
    assert found.class_names == ["thing"] * 3


def test_a_score_is_that_of_the_query_times_that_of_presence() -> None:
    raw = outputs([0.9, 0.7], [LEFT, TOP], presence=0.6)

    np.testing.assert_allclose(read(raw, score_threshold=0.0).confidence, [0.54, 0.42], rtol=1e-6)
    assert len(read(raw)) == 1


def test_boxes_are_pixels_of_the_frame_and_end_at_its_borders() -> None:
    raw = outputs([0.9], [FULL])
    raw.pred_boxes = torch.tensor([[[-0.25, 0.5, 0.5, 1.25]]])

    assert read(raw, size_hw=(100, 200)).xyxy.tolist() == [[0, 50, 100, 100]]


def test_masks_grow_to_the_frame_bilinearly() -> None:
    [mask] = shapes_of(read(outputs([0.9], [LEFT]), size_hw=(2, 8)))

    assert mask == [[1, 1, 1, 1, 0, 0, 0, 0]] * 2


def test_the_mask_threshold_is_a_probability() -> None:
    raw = outputs([0.9], [FULL])
    raw.pred_masks = torch.tensor([[[[0.2, 0.8], [0.6, 0.4]]]]).logit()

    assert shapes_of(read(raw)) == [[[0, 1], [1, 0]]]
    assert shapes_of(read(raw, mask_threshold=0.3)) == [[[0, 1], [1, 1]]]


def test_a_detection_without_a_pixel_is_left_out() -> None:
    found = read(outputs([0.9, 0.8], [NOTHING, TOP]))

    assert shapes_of(found) == [TOP]
    np.testing.assert_allclose(found.confidence, [0.8], rtol=1e-6)


def test_a_mask_that_vanishes_in_a_small_frame_is_left_out() -> None:
    assert len(read(outputs([0.9], [TOP]), size_hw=(1, 1), mask_threshold=0.6)) == 0


def test_of_two_duplicates_the_better_stays() -> None:
    found = read(outputs([0.6, 0.9, 0.7], [FULL, FULL, LEFT]), duplicate_iou=0.9)

    np.testing.assert_allclose(found.confidence, [0.9, 0.7], rtol=1e-6)


@pytest.mark.parametrize(("limit", "n_kept"), [(0.49, 1), (0.51, 2)])
def test_duplicates_overlap_more_than_the_limit(limit: float, n_kept: int) -> None:
    """A half of the frame and all of it share a half of their union."""
    assert len(read(outputs([0.9, 0.8], [FULL, LEFT]), duplicate_iou=limit)) == n_kept


def test_what_is_suppressed_suppresses_nothing() -> None:
    """The second overlaps the first by 2/3, the third the second by 1/2 but the first by 1/3 only."""
    shapes = [[[1, 1, 1, 0]] * 4, [[1, 1, 0, 0]] * 4, [[1, 0, 0, 0]] * 4]

    found = read(outputs([0.9, 0.8, 0.7], shapes), size_hw=(4, 4), duplicate_iou=0.4)

    np.testing.assert_allclose(found.confidence, [0.9, 0.7], rtol=1e-6)


def test_nothing_found() -> None:
    found = read(outputs([0.1, 0.2], [FULL, LEFT]), duplicate_iou=0.5)

    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)
    assert found.masks == []


def test_bfloat16_outputs_give_float32_results() -> None:
    raw = outputs([0.9], [LEFT])
    for name, tensor in vars(raw).items():
        setattr(raw, name, tensor.bfloat16())

    found = read(raw, duplicate_iou=0.5)

    assert found.confidence.dtype == found.xyxy.dtype == np.float32
    assert shapes_of(found) == [LEFT]


class LargestTensor(TorchDispatchMode):  # type: ignore[misc] # torch is not followed
    """Watches torch for the largest tensor that it makes, in bytes."""

    n_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.n_bytes = max(self.n_bytes, tensor.numel() * tensor.itemsize)
        return made


def test_masks_are_resized_one_at_a_time() -> None:
    """40 masks of a frame as transformers returns them (int64) would take 295 MB, as floats 147 MB."""
    raw = outputs([0.9] * 40, [LEFT] * 40)

    with LargestTensor() as largest:
        found = read(raw, size_hw=(720, 1280))

    assert len(found) == 40
    assert largest.n_bytes <= 720 * 1280 * 4
