"""The segmenter that finds named colours."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from komadori.core import masks
from komadori.core.types import ConceptPrompt, Detections, Image
from komadori.ml.segmenters.fake import FakeSegmenter
from tests.support.segmenter_scenes import BACKGROUND, RED, click, exemplars, scene, words

SMALL_RED = (96, 9, 128, 27)
LARGE_RED = (16, 9, 64, 54)
SMALL_GREEN = (96, 54, 144, 81)


def find(image: Image, prompt: ConceptPrompt) -> Detections:
    [[found]] = FakeSegmenter().segment([image], [prompt], score_threshold=0.5, mask_threshold=0.5)
    return found


def boxes(found: Detections) -> set[tuple[float, ...]]:
    return {tuple(box) for box in found.xyxy.tolist()}


def test_a_colour_finds_its_areas() -> None:
    assert boxes(find(scene(), words("a red car"))) == {LARGE_RED, SMALL_RED}
    assert boxes(find(scene(), words("green"))) == {SMALL_GREEN}


def test_masks_are_exact() -> None:
    found = find(scene(), words("green"))

    assert found.masks is not None
    assert np.array_equal(masks.decode(found.masks[0]), (scene() == [30, 190, 40]).all(axis=2))


def test_what_is_not_there_is_not_found() -> None:
    assert len(find(scene(), words("blue"))) == 0
    assert len(find(scene(), words("a bicycle"))) == 0


def test_two_colours_in_one_prompt_are_one_concept() -> None:
    assert boxes(find(scene(), words("red, green"))) == {LARGE_RED, SMALL_RED, SMALL_GREEN}


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("orange", (240, 130, 20)),
        ("yellow", (230, 220, 40)),
        ("cyan", (20, 220, 220)),
        ("purple", (150, 30, 220)),
        ("pink", (250, 90, 170)),
        ("black", (10, 12, 10)),
        ("white", (250, 250, 245)),
    ],
)
def test_each_name_means_its_colour_alone(name: str, colour: tuple[int, int, int]) -> None:
    image = np.full((40, 40, 3), BACKGROUND, np.uint8)
    image[10:20, 5:30] = colour

    assert boxes(find(image, words(name))) == {(5, 10, 30, 20)}
    assert len(find(image, words("red"))) == 0


def test_a_box_stands_for_the_colour_in_it() -> None:
    assert boxes(find(scene(), exemplars((*SMALL_RED, True)))) == {LARGE_RED, SMALL_RED}


def test_areas_in_a_negative_box_are_left_out() -> None:
    assert boxes(find(scene(), exemplars((*SMALL_RED, False), text="red"))) == {LARGE_RED}


def test_specks_are_noise() -> None:
    image = scene()
    image[88, 2] = RED

    assert boxes(find(image, words("red"))) == {LARGE_RED, SMALL_RED}


def test_a_paler_area_is_less_certain() -> None:
    image = scene()
    image[9:27, 96:128] = (150, 90, 90)

    [[found]] = FakeSegmenter().segment([image], [words("red")], score_threshold=0.0, mask_threshold=0.1)

    assert boxes(found) == {LARGE_RED, SMALL_RED}
    assert found.confidence[0] == 1.0
    assert 0.1 < found.confidence[1] < 0.5


def outlined(*points: tuple[float, float, bool], **begun_with: Any) -> tuple[float, ...]:
    """The box of what clicks in the scene outline."""
    return FakeSegmenter().refine(scene(), click(*points, **begun_with)).mask.bbox_xyxy


def test_a_click_means_the_area_of_like_colour_around_it() -> None:
    assert outlined((20, 20, True)) == LARGE_RED
    assert outlined((20, 20, True), (97, 26, True)) == (16, 9, 128, 54)
    assert outlined((20, 20, True), (97, 26, True), (63, 53, False)) == SMALL_RED


def test_a_box_limits_what_is_clicked_and_stands_for_its_centre() -> None:
    assert outlined((20, 20, True), box=(0, 0, 30, 90)) == (16, 9, 30, 54)
    assert outlined(box=SMALL_GREEN) == SMALL_GREEN


def test_clicks_begin_with_the_former_mask() -> None:
    former = FakeSegmenter().refine(scene(), click((100, 60, True))).mask

    assert outlined(mask=former) == SMALL_GREEN
    assert outlined((97, 26, True), mask=former) == (96, 9, 144, 81)
    assert outlined((100, 60, False), mask=former) == (0, 0, 0, 0)


def test_a_mask_that_contradicts_a_point_is_less_certain() -> None:
    contradiction = click((20, 20, True), (30, 30, False), (150, 5, False), (151, 6, False))

    assert FakeSegmenter().refine(scene(), contradiction).confidence == 0.75


def flood(mask: np.ndarray) -> set[frozenset[tuple[int, int]]]:
    """The areas of a mask by walking from pixel to pixel."""
    left = set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True))
    areas = set()
    while left:
        area, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            area.add((y, x))
            for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if neighbour in left:
                    left.remove(neighbour)
                    edge.append(neighbour)
        areas.add(frozenset(area))
    return areas


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.3, 0.5, 0.7]), st.integers(0, 2**32 - 1))
def test_areas_are_the_connected_ones(height: int, width: int, density: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < density
    image = np.where(mask[..., None], RED, BACKGROUND).astype(np.uint8)

    found = find(image, words("red"))

    assert found.masks is not None
    pixels = (np.nonzero(masks.decode(rle)) for rle in found.masks)
    areas = [frozenset(zip(y.tolist(), x.tolist(), strict=True)) for y, x in pixels]
    assert len(areas) == len(set(areas))
    assert set(areas) == flood(mask)
