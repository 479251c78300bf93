"""SigLIP 2 gives the vectors of the plain transformers call, whatever the path."""

from pathlib import Path

import numpy as np
import pytest
import torch

from komadori.core.errors import InputError, ModelError
from komadori.ml.embedders import _siglip_towers, siglip2
from komadori.ml.embedders._siglip_pixels import FixedPixels, read_pixel_settings
from tests.support.checkpoints import SIGLIP2, SIGLIP2_NAFLEX
from tests.support.embedder_scenes import noise, of_many_sizes
from tests.support.siglip_models import PlainSiglip, Vector, exact_embedder, image_processor

TEXTS = ["a red car", "person", "", "two dogs near a large green tree " * 4]

EXACT = 1e-5
"""Of a component of a unit vector, in float32; measured 5e-7."""

BF16_COSINE = 0.99
"""Measured 0.9995 for pictures and 0.995 for texts: random weights, once centred, magnify rounding."""


@pytest.fixture(scope="module", params=[SIGLIP2, SIGLIP2_NAFLEX], ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def plain(folder: Path) -> PlainSiglip:
    return PlainSiglip(folder)


def test_image_vectors_are_those_of_the_plain_call(folder: Path, plain: PlainSiglip) -> None:
    images = of_many_sizes()
    expected = np.stack([plain.image_vector(image) for image in images])

    vectors = exact_embedder(folder).embed_images(images).vectors

    np.testing.assert_allclose(vectors, expected, atol=EXACT)


def test_text_vectors_are_those_of_the_plain_call(folder: Path, plain: PlainSiglip) -> None:
    expected = np.stack([plain.text_vector(text) for text in TEXTS])

    vectors = exact_embedder(folder).embed_texts(TEXTS).vectors

    np.testing.assert_allclose(vectors, expected, atol=EXACT)


def test_bfloat16_stays_near_the_plain_call(folder: Path, plain: PlainSiglip) -> None:
    images = of_many_sizes()
    expected = np.stack([plain.image_vector(image) for image in images])
    embedder = exact_embedder(folder, dtype=torch.bfloat16)

    cosines = (embedder.embed_images(images).vectors * expected).sum(axis=1)
    text_cosine = embedder.embed_texts(TEXTS[:1]).vectors[0] @ plain.text_vector(TEXTS[0])

    assert embedder.device_name == "cpu, bfloat16, torch"
    assert min(cosines.min(), text_cosine) > BF16_COSINE


def test_a_vector_does_not_depend_on_its_company(folder: Path) -> None:
    images = of_many_sizes()

    together = exact_embedder(folder, batch_size=len(images)).embed_images(images).vectors
    alone = exact_embedder(folder, batch_size=1).embed_images(images).vectors

    np.testing.assert_allclose(together, alone, atol=EXACT)


@pytest.mark.parametrize(("backend", "levels"), [("torchvision", 0), ("pil", 1)])
def test_pixels_are_those_of_both_processors(backend: str, levels: int) -> None:
    processor = image_processor(SIGLIP2, backend)
    pixels = FixedPixels(read_pixel_settings(SIGLIP2, siglip2._read_config(SIGLIP2)))

    for image in of_many_sizes():
        ours = pixels.collate([pixels.prepare(image)], torch.device("cpu"))["pixel_values"]
        theirs = processor(image, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        assert (ours - theirs).abs().max() * 127.5 < levels + 0.01


def test_only_the_tower_in_use_is_loaded() -> None:
    embedder = exact_embedder(SIGLIP2)
    embedder.embed_images([noise(20, 30)])
    assert embedder._texts is None

    embedder.embed_texts(["a"])
    assert embedder._texts is not None


def test_an_infinite_vector_is_left_out() -> None:
    embedder = exact_embedder(SIGLIP2, batch_size=2)
    encode = embedder._vision.encode

    def overflow(inputs: dict[str, torch.Tensor]) -> Vector:
        vectors: Vector = encode(inputs)
        vectors[0, 3] = np.inf
        return vectors

    embedder._vision.encode = overflow

    assert embedder.embed_images([noise(20, 30)] * 4).kept.tolist() == [1, 3]


def test_the_space_follows_the_files_and_the_settings(tmp_path: Path) -> None:
    fixed, naflex = (siglip2.create(folder, engine="torch").space for folder in (SIGLIP2, SIGLIP2_NAFLEX))
    named = exact_embedder(SIGLIP2, model_id="google/siglip2", revision="abc").space

    assert fixed.revision != naflex.revision
    assert fixed.preprocessing_hash != naflex.preprocessing_hash
    assert (named.model_id, named.revision, named.dim) == ("google/siglip2", "abc", 96)
    assert named.preprocessing_hash == fixed.preprocessing_hash


def test_any_number_of_texts_is_read() -> None:
    assert len(exact_embedder(SIGLIP2).embed_texts(["two words"] * 130)) == 130


@pytest.mark.parametrize("folder", [SIGLIP2, SIGLIP2_NAFLEX])
def test_a_text_is_read_whole_or_not_at_all(folder: Path) -> None:
    embedder = exact_embedder(folder)
    assert len(embedder.embed_texts(["dog " * 15 + "cat"])) == 1
    with pytest.raises(InputError) as caught:
        embedder.embed_texts(["Dog " * 80 + "cat"])
    assert caught.value.code == "text-too-long"
    assert "64 tokens" in caught.value.message
    assert "'dog dog" in caught.value.message, "what the model would not read is told"


def test_openvino_stays_near_the_plain_call_and_converts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = of_many_sizes()
    expected = np.stack([PlainSiglip(SIGLIP2).image_vector(image) for image in images])
    options = {"engine": "openvino", "dtype": None, "cache_dir": tmp_path / "cache", "threads": 1}
    first = exact_embedder(SIGLIP2, **options).embed_images(images).vectors

    monkeypatch.setattr(_siglip_towers.OpenVinoVisionTower, "_convert", None)
    embedder = exact_embedder(SIGLIP2, **options)

    assert embedder.device_name.endswith(", openvino")
    np.testing.assert_array_equal(embedder.embed_images(images).vectors, first)
    assert (first * expected).sum(axis=1).min() > BF16_COSINE
    assert [path.name[0] for path in (tmp_path / "cache").iterdir()] != ["."]


def test_a_damaged_openvino_model_is_converted_again(tmp_path: Path) -> None:
    options = {"engine": "openvino", "dtype": None, "cache_dir": tmp_path, "threads": 1}
    exact_embedder(SIGLIP2, **options)
    [model] = tmp_path.glob("*/vision.xml")
    model.write_text("<net")

    assert len(exact_embedder(SIGLIP2, **options).embed_images([noise(20, 30)])) == 1
    assert len(model.read_text()) > 1000


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder")
    options = {"engine": "openvino", "dtype": None, "cache_dir": tmp_path / "models" / "cache", "threads": 1}

    assert len(exact_embedder(SIGLIP2, **options).embed_images([noise(20, 30)])) == 1


def test_naflex_goes_to_torch_and_not_to_openvino() -> None:
    assert siglip2.create(SIGLIP2_NAFLEX).device_name.endswith(", torch")
    with pytest.raises(ModelError, match="got siglip2 on cpu"):
        siglip2.create(SIGLIP2_NAFLEX, engine="openvino")


def test_a_batch_size_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        exact_embedder(SIGLIP2, batch_size=0)
