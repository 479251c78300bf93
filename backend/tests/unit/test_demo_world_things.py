"""The kinds of things, their names and pictures, and what the package must carry for them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder
from scipy.ndimage import label

from komadori.core.errors import DependencyError
from komadori.demo_world import sprites
from komadori.demo_world.kinds import groups, kinds, kinds_called
from komadori.demo_world.sprites import CANVAS, REDUCTIONS, SIDE, sprite

BACKEND = Path(__file__).parents[2]


def alpha(name: str, reduction: int = 1) -> np.ndarray:
    return np.asarray(sprite(name, reduction))[..., 3]


def test_there_are_48_kinds_and_each_name_belongs_to_one() -> None:
    names = [name for kind in kinds() for name in (*kind.english, *kind.japanese)]
    assert len(kinds()) == 48
    assert len(set(names)) == len(names)


def test_each_kind_has_its_names_in_the_same_languages() -> None:
    assert {len(kind.others) for kind in kinds()} == {11}
    assert len({tuple(sorted(kind.others)) for kind in kinds()}) == 1
    assert all(kind.english[0] == kind.name and kind.japanese for kind in kinds())


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("dog", {"dog"}),
        ("イヌ", {"dog"}),
        ("aubergine", {"eggplant"}),
        ("apple", {"red apple", "green apple"}),
        ("heart", {"red heart", "yellow heart", "blue heart"}),
        ("dragon", set()),
    ],
)
def test_a_word_stands_for_its_kinds(word: str, names: set[str]) -> None:
    assert kinds_called(word) == names


def test_a_group_is_called_the_same_in_both_languages_and_holds_known_kinds() -> None:
    known = {kind.name for kind in kinds()}
    for group in groups():
        assert group.kinds < known
        assert kinds_called(group.japanese) == kinds_called(group.name) == group.kinds


@pytest.mark.parametrize("name", [kind.name for kind in kinds()])
def test_each_kind_has_a_picture_in_the_middle_with_a_clear_rim(name: str) -> None:
    rim = (CANVAS - SIDE) // 2
    drawn = alpha(name)
    inner = drawn[rim:-rim, rim:-rim]
    assert drawn.shape == (CANVAS, CANVAS)
    assert int(drawn.sum()) == int(inner.sum())
    assert 0.1 < (inner >= 128).mean() < 0.95


@pytest.mark.parametrize(("name", "n_holes"), [("ring", 1), ("key", 1), ("scissors", 2), ("red heart", 0)])
def test_some_things_have_holes(name: str, n_holes: int) -> None:
    _, n_regions = label(alpha(name) < 128)
    assert n_regions == 1 + n_holes  # what lies around the thing is one region


def test_colours_are_multiplied_by_alpha() -> None:
    pixels = np.asarray(sprite("ring"))
    assert sprite("ring").mode == "RGBa"
    assert (pixels[..., :3] <= pixels[..., 3:]).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_smaller_pictures_cover_the_same_share(reduction: int) -> None:
    assert alpha("panda", reduction).shape == (CANVAS // reduction,) * 2
    assert alpha("panda", reduction).mean() == pytest.approx(alpha("panda").mean(), rel=0.01)


def test_without_the_package_that_draws_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    sprites.sprite.cache_clear()
    with pytest.raises(DependencyError, match=r"resvg_py") as caught:
        sprite("owl")
    assert caught.value.code == "no-sprites"
    assert "komadori[demo]" in caught.value.hint


def test_the_wheel_carries_the_names_the_pictures_and_their_licences() -> None:
    builder = WheelBuilder(str(BACKEND))
    carried = {included.distribution_path for included in builder.recurse_included_files()}
    for name in ("kinds.json", "sprites.json", "LICENSES.md"):
        assert f"komadori/demo_world/{name}" in carried


def test_both_licences_stand_in_full_beside_the_files() -> None:
    text = (BACKEND / "src/komadori/demo_world/LICENSES.md").read_text(encoding="utf-8")
    for sentence in (
        "Copyright (c) Microsoft Corporation.",
        "The above copyright notice and this permission notice shall be included in all",
        "UNICODE LICENSE V3",
        "Copyright © 2004-2026 Unicode, Inc.",
        "associated Documentation.",
    ):
        assert sentence in text
