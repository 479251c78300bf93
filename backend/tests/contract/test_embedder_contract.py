"""What every registered embedder promises, with a small checkpoint where it needs one."""

from functools import cache

import numpy as np
import pytest

from komadori.core import registry
from komadori.core.errors import InputError
from komadori.ml.embedders.base import ImageTextEmbedder
from tests.support import checkpoints
from tests.support.embedder_scenes import NO_PICTURES, RED, halves, noise, of_many_sizes, plain
from tests.support.odd_texts import ODD_TEXTS

CHECKPOINTS = {"siglip2": checkpoints.SIGLIP2}


@cache
def make(name: str) -> ImageTextEmbedder:
    source = CHECKPOINTS.get(name, name)
    made: ImageTextEmbedder = registry.factory("embedders", name)(source, batch_size=3, engine="torch")
    return made


@pytest.fixture(params=registry.names("embedders"))
def embedder(request: pytest.FixtureRequest) -> ImageTextEmbedder:
    return make(request.param)


def test_the_built_in_ones_are_registered() -> None:
    assert {"fake", "siglip2"} <= set(registry.names("embedders"))


def test_it_says_what_it_is(embedder: ImageTextEmbedder) -> None:
    assert embedder.device_name.startswith("cpu")
    assert embedder.batch_size == 3
    assert embedder.space.model_id
    assert embedder.space.revision
    assert embedder.space.preprocessing_hash


def test_images_and_texts_share_one_space(embedder: ImageTextEmbedder) -> None:
    images = embedder.embed_images([plain(RED)])
    texts = embedder.embed_texts(["a red car", "zebra"])

    assert images.vectors.shape == (1, embedder.space.dim)
    assert texts.vectors.shape == (2, embedder.space.dim)
    assert images.vectors.dtype == texts.vectors.dtype == np.float32


def test_vectors_have_unit_norm(embedder: ImageTextEmbedder) -> None:
    vectors = embedder.embed_images(of_many_sizes()).vectors

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_more_images_than_a_batch_keep_their_order(embedder: ImageTextEmbedder) -> None:
    images = of_many_sizes()

    together = embedder.embed_images(images)

    assert together.kept.tolist() == list(range(len(images)))
    for image, vector in zip(images, together.vectors, strict=True):
        assert embedder.embed_images([image]).vectors[0] @ vector > 0.999


@pytest.mark.parametrize("reason", NO_PICTURES)
def test_what_is_no_picture_is_left_out(embedder: ImageTextEmbedder, reason: str) -> None:
    batch = embedder.embed_images([noise(40, 60), NO_PICTURES[reason], plain(RED)])

    assert batch.kept.tolist() == [0, 2]


def test_a_batch_of_nothing_usable_is_empty(embedder: ImageTextEmbedder) -> None:
    batch = embedder.embed_images(list(NO_PICTURES.values()))

    assert batch.vectors.shape == (0, embedder.space.dim)


def test_no_input_gives_no_vector(embedder: ImageTextEmbedder) -> None:
    assert embedder.embed_images([]).vectors.shape == (0, embedder.space.dim)
    assert embedder.embed_texts([]).vectors.shape == (0, embedder.space.dim)


def test_views_and_read_only_images_are_as_good(embedder: ImageTextEmbedder) -> None:
    image = noise(90, 160)
    mirrored = image[:, ::-1]
    frozen = mirrored.copy()
    frozen.flags.writeable = False

    as_view, as_copy = embedder.embed_images([mirrored, frozen]).vectors

    np.testing.assert_allclose(as_view, as_copy, atol=1e-5)


def test_the_same_input_gives_the_same_vector(embedder: ImageTextEmbedder) -> None:
    first = embedder.embed_texts(["a dog"]).vectors
    again = embedder.embed_texts(["a dog"]).vectors

    np.testing.assert_array_equal(first, again)


def test_odd_texts_have_vectors_too(embedder: ImageTextEmbedder) -> None:
    assert embedder.embed_texts(ODD_TEXTS).kept.tolist() == list(range(len(ODD_TEXTS)))


@pytest.mark.parametrize("letter", ["x", "犬", "🐕 ", "e\u0301", "\u200b", "ᄒ", " "])
def test_a_text_of_any_length_has_a_vector_or_is_refused(embedder: ImageTextEmbedder, letter: str) -> None:
    for n_characters in (1, 32, 33, 64, 65, 500, 10_000):
        _read_or_refuse(embedder, letter * (n_characters // len(letter)))


def test_a_text_of_a_million_letters_is_read_or_refused(embedder: ImageTextEmbedder) -> None:
    _read_or_refuse(embedder, "x" * 1_000_000)


def _read_or_refuse(embedder: ImageTextEmbedder, text: str) -> None:
    if refusal := refusal_of(embedder, text):
        assert (refusal.code, len(text) > 20, len(refusal.message) < 1_000) == ("text-too-long", True, True)
    else:
        assert embedder.embed_texts([text]).kept.tolist() == [0]


def refusal_of(embedder: ImageTextEmbedder, text: str) -> InputError | None:
    try:
        embedder.embed_texts([text])
    except InputError as error:
        return error
    return None


def test_a_picture_is_nearer_to_its_like_than_to_others(embedder: ImageTextEmbedder) -> None:
    red_left, almost, red_right, blue = embedder.embed_images(
        [
            halves(RED, (0, 0, 0)),
            halves((200, 40, 30), (10, 5, 5)),
            halves((0, 0, 0), RED),
            plain((30, 60, 220)),
        ]
    ).vectors

    assert red_left @ almost > red_left @ red_right > red_left @ blue


def test_a_batch_of_no_images_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        registry.factory("embedders", "fake")(batch_size=0)
