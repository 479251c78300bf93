"""Traps of SigLIP in transformers: each would give other vectors, or random ones, without a word."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from komadori.core.errors import ModelError
from komadori.ml.embedders import siglip2
from tests.support.checkpoints import SAM3, SIGLIP2, SIGLIP2_NAFLEX
from tests.support.embedder_scenes import noise
from tests.support.siglip_models import PlainSiglip, exact_embedder

TEXT = "a red car"


@pytest.fixture(scope="module")
def plain() -> PlainSiglip:
    return PlainSiglip(SIGLIP2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the untrained checkpoint that a test may spoil."""
    return Path(shutil.copytree(SIGLIP2, tmp_path / "checkpoint"))


def test_a_text_that_is_not_padded_gets_another_vector(plain: PlainSiglip) -> None:
    [ours] = exact_embedder(SIGLIP2).embed_texts([TEXT]).vectors

    assert ours @ plain.text_vector(TEXT) > 0.9999
    assert ours @ plain.text_vector(TEXT, padding=False) < 0.9


def test_a_mask_over_the_padding_gives_another_vector(plain: PlainSiglip) -> None:
    [ours] = exact_embedder(SIGLIP2).embed_texts([TEXT]).vectors

    assert ours @ plain.text_vector(TEXT, return_attention_mask=True) < 0.99


def test_the_tokenizer_of_fixed_checkpoints_does_not_lower_case_but_we_do(plain: PlainSiglip) -> None:
    lower, shouted = exact_embedder(SIGLIP2).embed_texts([TEXT, TEXT.upper()]).vectors

    np.testing.assert_array_equal(lower, shouted)
    assert plain.text_vector(TEXT) @ plain.text_vector(TEXT.upper()) < 0.99


def test_features_come_in_an_object_and_not_as_a_tensor(plain: PlainSiglip) -> None:
    features = plain.model.get_image_features(**plain.pixels(noise(64, 64)))

    assert not isinstance(features, torch.Tensor)
    assert features.pooler_output.shape == (1, 96)


def test_the_naflex_processor_forgets_the_checkpoints_own_patches() -> None:
    plain = PlainSiglip(SIGLIP2_NAFLEX)
    image = noise(90, 160)
    forgetful = plain.processor(images=image, return_tensors="pt")
    [ours] = exact_embedder(SIGLIP2_NAFLEX).embed_images([image]).vectors

    assert forgetful["pixel_values"].shape == (1, 256, 3 * 16 * 16)
    assert plain.pixels(image)["pixel_values"].shape == (1, 64, 3 * 8 * 8)
    assert ours @ plain.image_vector(image) > 0.9999


def test_missing_weights_are_an_error_and_not_random(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    del weights["vision_model.head.probe"]
    save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})

    with pytest.raises(ModelError, match=r"1 weights are missing.*head.probe") as error:
        siglip2.create(checkpoint, engine="torch")
    assert error.value.code == "incomplete-checkpoint"


def test_missing_text_weights_are_an_error_with_the_first_text(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    del weights["text_model.head.weight"]
    save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})
    embedder = siglip2.create(checkpoint, engine="torch")

    with pytest.raises(ModelError, match="1 weights are missing"):
        embedder.embed_texts([TEXT])


def test_weights_of_another_shape_are_an_error(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    config["vision_config"]["intermediate_size"] = 100
    (checkpoint / "config.json").write_text(json.dumps(config))

    with pytest.raises(ModelError, match="have another shape"):
        siglip2.create(checkpoint, engine="torch")


def test_pickled_weights_are_never_opened(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(b"\x80\x04.")

    with pytest.raises(ModelError, match=r"only pytorch_model.bin, which can run code") as error:
        siglip2.create(checkpoint)
    assert error.value.code == "unsafe-checkpoint"


def test_cut_weights_are_an_error_that_names_the_folder(checkpoint: Path) -> None:
    whole = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(whole[:100_000])

    with pytest.raises(ModelError, match=f"{checkpoint} could not be loaded as SiglipVisionModel"):
        siglip2.create(checkpoint, engine="torch")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "found none in"),
        ("model.safetensors", "no weights at all"),
        ("processor_config.json", "image settings"),
    ],
)
def test_a_missing_file_is_an_error_that_says_what(checkpoint: Path, file: str, message: str) -> None:
    (checkpoint / file).unlink()

    with pytest.raises(ModelError, match=message):
        siglip2.create(checkpoint, engine="torch")


def test_a_missing_tokenizer_is_an_error_with_the_first_text(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    (checkpoint / "tokenizer_config.json").unlink()

    with pytest.raises(ModelError, match="tokenizer"):
        siglip2.create(checkpoint, engine="torch").embed_texts([TEXT])


def test_a_checkpoint_of_another_model_is_refused() -> None:
    with pytest.raises(ModelError, match="got sam3"):
        siglip2.create(SAM3)


def test_converting_for_openvino_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """OpenVINO's converter sends usage data, and writes a client id to the home folder for it."""
    program = (
        "from komadori.ml.embedders import siglip2; import sys; "
        "siglip2.create(sys.argv[1], engine='openvino', threads=1); "
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", program, str(SIGLIP2)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "intel").exists()
