"""Clicks on the untrained checkpoint with a tracker: the same answers as the plain call, for less work."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from komadori.core import masks
from komadori.core.errors import ModelError
from komadori.core.types import ClickPrompt, Image
from komadori.ml.segmenters._sam3_clicks import ClickDecoder
from komadori.ml.segmenters.sam3 import Sam3Segmenter, create
from tests.support import checkpoints
from tests.support.sam3_models import PlainSam3, PlainTracker, encoder_calls, ious, untrained_segmenter
from tests.support.segmenter_scenes import LOOSE, click, noise, scene, words

FRAMES = [noise(90, 160, seed=1), scene(150, 70), scene(31, 33)]
RIGHT_HALF = masks.encode(np.indices((90, 160))[1] > 80)
CLICKS = {
    "point": click((20, 25, True)),
    "points": click((20, 25, True), (7.5, 3.25, False), (28, 30, True)),
    "box": click(box=(5, 4, 30, 28)),
    "point and box": click((20, 25, True), box=(5, 4, 30, 28)),
}
SCORE_TOLERANCE = 1e-5
MASK_IOU = 0.999
"""Float32 sums in another order, with another BLAS."""


@pytest.fixture(scope="module")
def plain() -> PlainTracker:
    return PlainTracker(checkpoints.SAM3_TRACKER)


@pytest.fixture(scope="module")
def segmenter() -> Sam3Segmenter:
    return untrained_segmenter(checkpoints.SAM3_TRACKER)


@contextmanager
def neck_calls(segmenter: Sam3Segmenter) -> Iterator[list[object]]:
    """Grows by one for each frame that the tracker's neck sees."""
    assert isinstance(segmenter._clicks, ClickDecoder)
    calls: list[object] = []
    neck = segmenter._clicks._model.vision_encoder.neck
    handle = neck.register_forward_hook(lambda *_call: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Path:
    """The checkpoint with other weights."""
    copy = shutil.copytree(checkpoints.SAM3_TRACKER, folder / "checkpoint")
    weights = load_file(copy / "model.safetensors")
    assert weights.keys() != change(weights).keys()
    save_file(change(weights), copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def assert_plain(plain: PlainTracker, segmenter: Sam3Segmenter, image: Image, clicks: ClickPrompt) -> None:
    mask, score = plain(image, clicks)

    found = segmenter.refine(image, clicks)

    assert 0 < mask.sum() < mask.size
    assert found.confidence == pytest.approx(score, abs=SCORE_TOLERANCE)
    assert ious([masks.decode(found.mask)], [mask])[0] >= MASK_IOU


@pytest.mark.parametrize("image", FRAMES, ids=lambda image: f"{image.shape[1]}x{image.shape[0]}")
@pytest.mark.parametrize("clicks", CLICKS.values(), ids=CLICKS)
def test_the_plain_call_gives_the_same(
    plain: PlainTracker, segmenter: Sam3Segmenter, image: Image, clicks: ClickPrompt
) -> None:
    assert_plain(plain, segmenter, image, clicks)


@pytest.mark.parametrize("clicks", [click(mask=RIGHT_HALF), click((20, 25, True), mask=RIGHT_HALF)])
def test_a_former_mask_goes_in_as_the_plain_call_takes_it(
    plain: PlainTracker, segmenter: Sam3Segmenter, clicks: ClickPrompt
) -> None:
    assert_plain(plain, segmenter, FRAMES[0], clicks)


def test_words_and_clicks_share_the_encoder(segmenter: Sam3Segmenter) -> None:
    image = noise(60, 80, seed=10)
    with encoder_calls(segmenter) as calls:
        segmenter.segment([image], [words("dog")], **LOOSE)
        segmenter.refine(image, CLICKS["point"])

    assert calls.images == 1


def test_bulk_work_does_not_push_a_clicked_frame_out(segmenter: Sam3Segmenter) -> None:
    image = noise(60, 80, seed=11)
    first = segmenter.refine(image, CLICKS["point"])
    for seed in range(12, 17):
        segmenter.segment([noise(60, 80, seed=seed)], [words("dog")], **LOOSE)

    with encoder_calls(segmenter) as calls, neck_calls(segmenter) as necks:
        again = segmenter.refine(image.copy(), CLICKS["point"])

    assert (calls.images, len(necks)) == (0, 0)
    assert again == first


def test_the_detector_beside_a_tracker_answers_as_alone(segmenter: Sam3Segmenter) -> None:
    """AutoModel would build the video model from such a checkpoint."""
    expected = PlainSam3(checkpoints.SAM3_TRACKER)(FRAMES[0], words("dog"))
    segmenter = untrained_segmenter(checkpoints.SAM3_TRACKER, duplicate_iou=None)

    [[found]] = segmenter.segment([FRAMES[0]], [words("dog")], **LOOSE)

    assert len(found) > 0
    is_visible = expected.masks.any(axis=(1, 2))
    np.testing.assert_allclose(found.confidence, expected.confidence[is_visible], atol=SCORE_TOLERANCE)


def test_in_bfloat16_the_masks_are_almost_the_same(segmenter: Sam3Segmenter) -> None:
    fast = untrained_segmenter(checkpoints.SAM3_TRACKER, dtype=torch.bfloat16)

    pairs = [
        [masks.decode(model.refine(FRAMES[0], clicks).mask) for model in (segmenter, fast)]
        for clicks in CLICKS.values()
    ]

    assert min(ious(*zip(*pairs, strict=True))) > 0.9


@pytest.mark.parametrize("part", ["tracker_model.mask_decoder.", "tracker_neck.", "tracker_model.no_memory"])
def test_missing_weights_of_the_tracker_are_an_error(tmp_path: Path, part: str) -> None:
    """transformers would leave them at random values."""

    def without(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: weight for name, weight in weights.items() if not name.startswith(part)}

    with pytest.raises(ModelError) as caught:
        create(changed(tmp_path, without))
    assert caught.value.code == "incomplete-checkpoint"


def test_a_prefix_that_was_doubled_is_read_all_the_same(segmenter: Sam3Segmenter, tmp_path: Path) -> None:
    """As ``save_pretrained`` writes it; read plainly, the whole decoder stays at random values."""

    def doubled(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {re.sub("^tracker_model", r"\g<0>.\g<0>", name): weights[name] for name in weights}

    found = untrained_segmenter(changed(tmp_path, doubled)).refine(FRAMES[0], CLICKS["point"])

    assert found == segmenter.refine(FRAMES[0], CLICKS["point"])
