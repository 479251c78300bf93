"""The questions of SAM 3's training: what they ask for is what they want, and no sort of them is rare."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from scripts.demo_training.sam3_scenes import VISUAL, Example, Prompt, example
from scripts.demo_training.sam3_words import OTHERS

from komadori.demo_world.kinds import groups, kinds_called
from komadori.demo_world.sampling import Taste

pytest.importorskip("resvg_py")

GROUP_WORDS = {group.name for group in groups()}


def asked(n: int, *, with_boxes: bool) -> list[tuple[Example, Prompt]]:
    """Pairs of a scene and a question about it."""

    def pairs() -> Iterator[tuple[Example, Prompt]]:
        rng = np.random.default_rng(5)
        for _ in range(n):
            scene = example(rng, Taste(n_things=(1, 6)), 3, with_boxes=with_boxes)
            yield from ((scene, prompt) for prompt in scene.prompts)

    return list(pairs())


@pytest.fixture(scope="module")
def of_words() -> list[tuple[Example, Prompt]]:
    return asked(80, with_boxes=False)


@pytest.fixture(scope="module")
def of_boxes() -> list[tuple[Example, Prompt]]:
    return asked(80, with_boxes=True)


def meant(text: str) -> frozenset[str]:
    """The kinds that a text asks for, articles aside."""
    return kinds_called(text.removeprefix("a ").removeprefix("the "))


def test_words_want_all_that_they_name_and_nothing_else(of_words: list[tuple[Example, Prompt]]) -> None:
    for scene, prompt in of_words:
        named = meant(prompt.text)
        assert named or prompt.text in OTHERS
        assert list(prompt.targets) == [n for n, kind in enumerate(scene.kinds) if kind in named]


def test_words_ask_for_what_is_there_and_for_what_is_not(of_words: list[tuple[Example, Prompt]]) -> None:
    sorts = Counter((prompt.text in GROUP_WORDS, bool(prompt.targets)) for _, prompt in of_words)

    assert sorts[False, True] > sorts[True, True] >= 10, (
        "names, and words for several kinds, of what is there"
    )
    assert sorts[False, False] > sorts[True, False] >= 5, "and of what is not"


def test_example_boxes_want_their_like_and_counter_examples_none_of_theirs(
    of_boxes: list[tuple[Example, Prompt]],
) -> None:
    for scene, prompt in of_boxes:
        shown = list(zip(prompt.boxes, prompt.box_labels, strict=True))
        wanted = frozenset(scene.kinds[number] for number, label in shown if label)
        unwanted = frozenset(scene.kinds[number] for number, label in shown if not label)
        if not wanted:
            wanted = meant(prompt.text) - unwanted
        assert not wanted & unwanted
        assert list(prompt.targets) == [n for n, kind in enumerate(scene.kinds) if kind in wanted]


def test_every_way_to_show_boxes_is_frequent(of_boxes: list[tuple[Example, Prompt]]) -> None:
    ways = Counter((prompt.text == VISUAL, tuple(prompt.box_labels)) for _, prompt in of_boxes)

    assert set(ways) == {(True, (1,)), (False, (1,)), (True, (1, 0)), (False, (0,))}
    assert min(ways[True, (1,)], ways[True, (1, 0)], ways[False, (0,)]) >= 24, "a tenth of 240"


def test_a_counter_example_mostly_leaves_something_to_find(of_boxes: list[tuple[Example, Prompt]]) -> None:
    left = [bool(prompt.targets) for _, prompt in of_boxes if tuple(prompt.box_labels) == (0,)]

    assert 0.5 < np.mean(left) < 1.0
