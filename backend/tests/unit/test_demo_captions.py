"""What the demo's SigLIP is told about scenes is grammatical, complete, and true where it says so."""

import numpy as np
import pytest
from scripts.demo_training.captions import (
    Caption,
    class_numbers,
    plural,
    random_captions,
    texts_of_tokenizer,
    truths,
    with_article,
)

from komadori.demo_world.kinds import groups, kinds


def seen(*scenes: tuple[str, ...]) -> np.ndarray:
    """(N, 48), one row for the kinds of each scene."""
    table = np.zeros((len(scenes), len(kinds())), np.bool_)
    for row, names in enumerate(scenes):
        table[row, [class_numbers()[name] for name in names]] = True
    return table


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("red apple", "a red apple"),
        ("owl", "an owl"),
        ("umbrella", "an umbrella"),
        ("unicorn", "a unicorn"),
        ("scissors", "scissors"),
    ],
)
def test_names_take_their_article(name: str, said: str) -> None:
    assert with_article(name) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cat", "cats"),
        ("bus", "buses"),
        ("strawberry", "strawberries"),
        ("fish", "fish"),
        ("octopus", "octopuses"),
        ("grapes", "grapes"),
    ],
)
def test_names_have_a_plural(name: str, said: str) -> None:
    assert plural(name) == said


def test_a_caption_is_true_of_scenes_with_a_kind_of_each_part() -> None:
    apple = frozenset({"red apple", "green apple"})
    captions = [
        Caption("an apple", (apple,)),
        Caption("a cat", (frozenset({"cat"}),)),
        Caption("an apple and a cat", (apple, frozenset({"cat"}))),
    ]

    table = truths(captions, seen(("green apple",), ("cat", "red apple"), ("cat", "bus"), ()))

    assert table.tolist() == [
        [True, False, False],
        [True, True, True],
        [False, True, False],
        [False, False, False],
    ]


def test_each_batch_asks_for_each_kind_and_each_group() -> None:
    captions = random_captions(np.random.default_rng(0), seen(("cat",)), n_pairs=8)

    asked = [caption.parts for caption in captions]
    assert asked == [
        *[(frozenset({kind.name}),) for kind in kinds()],
        *[(group.kinds,) for group in groups()],
    ]


def test_two_things_are_named_together_only_where_both_are() -> None:
    scenes = seen(("cat", "bus"), ("cat",), ("owl", "key", "star"))

    captions = random_captions(np.random.default_rng(0), scenes, n_pairs=8)

    pairs = [caption for caption in captions if len(caption.parts) == 2]
    assert len(pairs) == 2
    assert truths(pairs, scenes).sum() == 2
    assert truths(pairs, scenes[[0, 2]]).any(axis=0).all()


def test_all_languages_are_taught() -> None:
    rng = np.random.default_rng(0)
    taught = {caption.text for _ in range(300) for caption in random_captions(rng, seen(()), 0)}

    for kind in kinds():
        assert {name.lower() for name in (*kind.english, *kind.japanese)} <= taught
        assert {name.lower() for name in kind.others.values()} & taught
    assert {"a photo of a red apple", "赤いリンゴの写真", "果物", "fruit"} <= taught


def test_no_text_means_two_things() -> None:
    rng = np.random.default_rng(0)
    meanings: dict[str, set[object]] = {}
    for _ in range(300):
        for caption in random_captions(rng, seen(()), 0):
            meanings.setdefault(caption.text, set()).add(caption.parts)

    assert {text: meant for text, meant in meanings.items() if len(meant) > 1} == {}


def test_the_same_seed_gives_the_same_captions() -> None:
    scenes = seen(("cat", "bus"), ("owl", "key"))

    first, again = (random_captions(np.random.default_rng(7), scenes, 8) for _ in range(2))

    assert first == again
    assert first != random_captions(np.random.default_rng(8), scenes, 8)


def test_the_tokenizer_learns_from_every_name() -> None:
    texts = set(texts_of_tokenizer())

    for kind in kinds():
        names = (*kind.english, *kind.japanese, *kind.others.values())
        assert {name.lower() for name in names} <= texts
