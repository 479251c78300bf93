"""Traps of SAM 3 in transformers: each would give wrong results, or none, without a word."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from komadori.core.errors import InputError, ModelError
from komadori.ml.segmenters.sam3 import Sam3Segmenter, create
from tests.support import checkpoints
from tests.support.sam3_models import encoder_calls, untrained_segmenter
from tests.support.segmenter_scenes import LOOSE, exemplars, noise, words

IMAGE = noise(48, 64, seed=5)


@pytest.fixture(scope="module")
def segmenter() -> Sam3Segmenter:
    return untrained_segmenter()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the untrained checkpoint that a test may spoil."""
    return Path(shutil.copytree(checkpoints.SAM3, tmp_path / "checkpoint"))


@contextmanager
def head_calls(segmenter: Sam3Segmenter) -> Iterator[list[dict[str, Any]]]:
    """What the model is called with."""
    calls: list[dict[str, Any]] = []

    def record(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        calls.append({**kwargs, "is_inference": torch.is_inference_mode_enabled()})

    handle = segmenter._model.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def test_missing_weights_are_an_error(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("mask_decoder.")}
    save_file(kept, checkpoint / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelError) as caught:
        create(checkpoint)
    assert caught.value.code == "incomplete-checkpoint"


@pytest.mark.parametrize(("n_words", "is_read"), [(30, True), (31, False)])
def test_texts_are_read_whole_or_not_at_all(segmenter: Sam3Segmenter, n_words: int, is_read: bool) -> None:
    """The processor pads to 32 tokens and does not cut; the text tower then fails deep inside."""
    prompt = words("dog " * n_words)

    if is_read:
        assert len(segmenter.segment([IMAGE], [prompt], **LOOSE)) == 1
    else:
        with pytest.raises(InputError) as caught:
            segmenter.segment([IMAGE], [prompt], **LOOSE)
        assert caught.value.code == "prompt-too-long"


def test_an_image_is_shared_by_all_prompts_without_copies(segmenter: Sam3Segmenter) -> None:
    """The model does not broadcast one image over several prompts."""
    with head_calls(segmenter) as calls:
        segmenter.segment([IMAGE], [words("dog"), words("cat"), words("bus")], **LOOSE)

    [call] = calls
    for level in (*call["vision_embeds"].fpn_hidden_states, *call["vision_embeds"].fpn_position_encoding):
        assert level.shape[0] == 3
        assert level.stride(0) == 0


def test_padding_is_masked(segmenter: Sam3Segmenter) -> None:
    """Without the attention mask the model reads the padding as words, and answers differently."""
    with head_calls(segmenter) as calls:
        segmenter.segment([IMAGE], [words("dog"), words("red dog")], **LOOSE)
    [call] = calls
    call.pop("is_inference")

    with torch.inference_mode():
        masked = segmenter._model(**call).pred_logits
        unmasked = segmenter._model(**{**call, "attention_mask": None}).pred_logits

    n_tokens = call["attention_mask"].sum(dim=1).tolist()
    assert n_tokens[0] + 1 == n_tokens[1] < 32
    assert (masked - unmasked).abs().max() > 1e-3


def test_exemplar_boxes_come_in_the_models_number_format() -> None:
    """A bfloat16 model casts pixels but not boxes."""
    segmenter = untrained_segmenter(dtype=torch.bfloat16)

    with head_calls(segmenter) as calls:
        [[found]] = segmenter.segment([IMAGE], [exemplars((4, 4, 30, 30, True), text="dog")], **LOOSE)

    assert calls[0]["input_boxes"].dtype == torch.bfloat16
    assert len(found) > 0
    assert found.confidence.dtype == np.float32
    assert segmenter.device_name == "cpu, bfloat16"


def test_boxes_stay_exact_in_bfloat16(segmenter: Sam3Segmenter) -> None:
    """bfloat16 alone places them on a grid: 2 pixels off on average on a frame 1280 wide."""
    images = [noise(60, 60, seed=seed) for seed in range(5)]

    def relative_boxes(asked: Sam3Segmenter) -> torch.Tensor:
        boxes: list[torch.Tensor] = []
        handle = asked._model.register_forward_hook(lambda _m, _i, out: boxes.append(out.pred_boxes))
        asked.segment(images, [words("green tree"), words("dog")], **LOOSE)
        handle.remove()
        return torch.cat(boxes)

    exact = relative_boxes(segmenter)
    error_px = 1280 * (relative_boxes(untrained_segmenter(dtype=torch.bfloat16)) - exact).abs()

    assert error_px.mean() < 1.0


def test_prompts_without_boxes_get_no_geometry_token(segmenter: Sam3Segmenter) -> None:
    """In one batch with boxes, even padded ones, a text prompt would be answered differently."""
    with head_calls(segmenter) as calls:
        segmenter.segment([IMAGE], [exemplars((4, 4, 30, 30, True)), words("dog")], **LOOSE)

    assert ["input_boxes" in call for call in calls] == [False, True]


def test_nothing_is_kept_for_gradients(segmenter: Sam3Segmenter) -> None:
    with head_calls(segmenter) as calls, encoder_calls(segmenter):
        segmenter.segment([noise(30, 30, seed=8)], [words("dog")], **LOOSE)

    assert calls[0]["is_inference"]
    assert not calls[0]["vision_embeds"].fpn_hidden_states[0].requires_grad


def test_an_image_three_pixels_high_is_still_rows_by_columns(segmenter: Sam3Segmenter) -> None:
    """Its first axis, too, could be the three colours."""
    [[found]] = segmenter.segment([noise(3, 40, seed=2)], [words("dog")], **LOOSE)

    assert found.masks is not None
    assert {mask.size_hw for mask in found.masks} == {(3, 40)}


def test_another_model_is_refused() -> None:
    with pytest.raises(ModelError, match="SAM 3") as caught:
        create(checkpoints.SIGLIP2)
    assert caught.value.hint


@pytest.mark.parametrize("spoilt", ["tokenizer.json", "processor_config.json"])
def test_a_checkpoint_without_its_processor_is_refused(checkpoint: Path, spoilt: str) -> None:
    (checkpoint / spoilt).write_text("{")

    with pytest.raises(ModelError) as caught:
        create(checkpoint)
    assert caught.value.code == "unreadable-checkpoint"


def test_the_revision_is_the_commit_or_names_the_contents(checkpoint: Path) -> None:
    assert create(checkpoint, revision="0123abc", model_id="facebook/sam3").model_revision == "0123abc"
    before = create(checkpoint).model_revision

    weights = load_file(checkpoint / "model.safetensors")
    weights["text_projection.bias"] += 1
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})

    assert create(checkpoints.SAM3).model_revision == before
    assert create(checkpoint).model_revision != before
