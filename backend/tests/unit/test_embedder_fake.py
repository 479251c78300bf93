"""The fake embedder's answers mean something: search tests rely on it."""

import pytest

from komadori.ml.embedders import fake
from tests.support.embedder_scenes import BLUE, GREEN, RED, halves, plain

EMBEDDER = fake.create()
PICTURES = {"red": plain(RED), "green": plain(GREEN), "blue": plain(BLUE)}


@pytest.mark.parametrize("colour", PICTURES)
def test_a_colour_finds_its_picture(colour: str) -> None:
    vectors = EMBEDDER.embed_images(list(PICTURES.values())).vectors
    scores = vectors @ EMBEDDER.embed_texts([f"a {colour} thing"]).vectors[0]

    assert list(PICTURES)[scores.argmax()] == colour
    assert scores.max() > 0.9


def test_where_a_colour_is_matters() -> None:
    left, right = EMBEDDER.embed_images([halves(RED, BLUE), halves(BLUE, RED)]).vectors

    assert 0.2 < left @ right < 0.5


def test_case_and_spaces_do_not_matter() -> None:
    plain_text, shouted = EMBEDDER.embed_texts(["red car", " RED  Car"]).vectors

    assert plain_text.tolist() == shouted.tolist()


def test_texts_without_a_colour_differ() -> None:
    dog, cat = EMBEDDER.embed_texts(["a dog", "a cat"]).vectors

    assert dog @ cat < 0.99


def test_another_revision_is_another_space() -> None:
    assert fake.create(revision="2").space.key != EMBEDDER.space.key
