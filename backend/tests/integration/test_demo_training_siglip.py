"""A SigLIP training of a few steps goes the whole way, from scenes to a checkpoint and its measures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("resvg_py")

import torch
from scripts.demo_training.siglip import Recipe, train
from scripts.demo_training.siglip_model import contrastive_loss, patch_loss
from scripts.demo_training.siglip_quality import measure_checkpoint
from transformers import AutoModel, AutoProcessor

from komadori.demo_world.kinds import kinds
from komadori.ml.embedders import siglip2

RECIPE = Recipe(steps=4, batch=4, fresh=2, pool=32, pairs=2, warm_up=2, held_out=24, check_every=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four steps give."""
    return trained(tmp_path_factory.mktemp("siglip"))


def trained(folder: Path) -> Path:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(RECIPE, 5, folder, torch.device("cpu"))
    torch.set_num_threads(threads)
    return folder


def test_the_same_command_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = trained(tmp_path)

    for name in ("model.safetensors", "tokenizer.json", "config.json", "processor_config.json"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()


def test_the_history_has_losses_and_measures(folder: Path) -> None:
    records = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]

    assert [record["step"] for record in records] == [2, 4]
    assert records[0].keys() == {
        *("step", "seconds", "contrastive", "dense"),
        *("top1_en", "map_en", "top1_ja", "map_ja"),
    }


def test_the_adapter_embeds_as_transformers_does(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    embedder = siglip2.create(folder, device="cpu", threads=1, engine="torch", dtype=torch.float32)
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32)
    processor: Any = AutoProcessor.from_pretrained(folder)
    inputs = processor(
        images=image, text="a photo of a cat", padding="max_length", max_length=64, return_tensors="pt"
    )
    with torch.inference_mode():
        outputs = model(input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"])

    assert embedder.space.dim == 128
    np.testing.assert_allclose(embedder.embed_images([image]).vectors, outputs.image_embeds, atol=1e-5)
    np.testing.assert_allclose(
        embedder.embed_texts(["A photo of a CAT"]).vectors, outputs.text_embeds, atol=1e-5
    )


def test_measures_cover_both_languages_and_all_kinds(folder: Path) -> None:
    measures = measure_checkpoint(folder, seed=9, frames_per_kind=1, n_gallery=20)

    for language in ("en", "ja"):
        assert np.sum(measures[f"confusion_{language}"], axis=1).tolist() == [1] * len(kinds())
        assert measures[f"per_kind_{language}"].keys() == {kind.name for kind in kinds()}
        for name in ("zero_shot_top1", "precision_at_10", "recall_at_1", "group_precision_at_10"):
            assert 0.0 <= measures[f"{name}_{language}"] <= 1.0
    assert measures["precision_at_10_others"].keys() == kinds()[0].others.keys()
    json.dumps(measures)


def test_the_contrastive_loss_counts_every_true_text() -> None:
    is_true = torch.tensor([[True, True, False], [False, False, True]])
    right = torch.where(is_true, 20.0, -20.0)

    assert contrastive_loss(right, is_true).item() == pytest.approx(0.0, abs=1e-6)
    assert contrastive_loss(torch.zeros(2, 3), is_true).item() == pytest.approx(3 * np.log(2) / 4)
    assert contrastive_loss(-right, is_true).item() == pytest.approx(15.0, rel=1e-3)


def test_the_patch_loss_is_least_for_the_true_shares_and_mostly_about_things() -> None:
    pixels = torch.tensor([[[32, 0, 32], [0, 0, 64]]], dtype=torch.uint8)
    right = torch.tensor([[[0.0, -30.0, 0.0], [-30.0, -30.0, 30.0]]])
    wrong_thing = torch.tensor([[[-30.0, 0.0, 0.0], [-30.0, -30.0, 30.0]]])
    wrong_ground = torch.tensor([[[0.0, -30.0, 0.0], [30.0, -30.0, -30.0]]])

    best, thing, ground = (patch_loss(logits, pixels).item() for logits in (right, wrong_thing, wrong_ground))

    assert best == pytest.approx(np.log(2) * 0.65 / 0.8)
    assert best < thing
    assert best < ground
