"""Clicks by example: of all that is alike, the thing that is clicked on. The fake plays the concept model."""

from collections.abc import Sequence
from typing import Any

import pytest

from komadori.core.types import ConceptPrompt, Detections, Image, Refinement
from komadori.ml.segmenters._sam3_examples import ExampleClicks
from komadori.ml.segmenters.fake import FakeSegmenter
from tests.support.segmenter_scenes import click, scene

SMALL_RED = (96, 9, 128, 27)
LARGE_RED = (16, 9, 64, 54)
SMALL_GREEN = (96, 54, 144, 81)
ON_LARGE, ON_SMALL, ON_GREEN = (30, 30, True), (110, 18, True), (120, 70, True)


def refine(*points: tuple[float, float, bool], **begun_with: Any) -> Refinement:
    return ExampleClicks(FakeSegmenter()).refine(scene(), click(*points, **begun_with))


def outlined(*points: tuple[float, float, bool], **begun_with: Any) -> tuple[float, ...]:
    return refine(*points, **begun_with).mask.bbox_xyxy


def test_a_point_means_the_thing_under_it_and_not_its_like() -> None:
    assert outlined(ON_LARGE) == LARGE_RED
    assert outlined(ON_SMALL) == SMALL_RED


def test_several_points_mean_all_that_is_under_them() -> None:
    assert outlined(ON_LARGE, ON_SMALL) == (16, 9, 128, 54)


def test_a_box_means_the_thing_that_fills_it_best() -> None:
    assert outlined(box=(90, 5, 130, 30)) == SMALL_RED
    assert outlined(box=(10, 5, 70, 60)) == LARGE_RED


def test_a_negative_point_takes_away_what_lies_under_it() -> None:
    both = refine(ON_SMALL, ON_GREEN).mask

    assert outlined((120, 70, False), mask=both) == SMALL_RED
    assert outlined(ON_GREEN, (112, 20, False), mask=both) == SMALL_GREEN
    assert outlined(ON_GREEN, (122, 72, False)) == SMALL_GREEN, "one thing under both stays"


def test_a_former_mask_is_added_to() -> None:
    assert outlined(ON_LARGE, mask=refine(ON_GREEN).mask) == (16, 9, 144, 81)


def test_a_point_on_the_last_edge_is_one_in_the_frame() -> None:
    assert outlined((160, 90, True))[2:] == (160, 90)


def test_the_confidence_is_that_of_the_least_certain_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    sure, unsure = refine(ON_LARGE).confidence, 0.25
    plain = FakeSegmenter.segment

    def doubtful(self: FakeSegmenter, *asked: Any, **how: Any) -> list[list[Detections]]:
        [[large, green]] = plain(self, *asked, **how)
        doubted = Detections(green.xyxy, 0 * green.confidence + unsure, green.masks, green.class_names)
        return [[large, doubted]]

    monkeypatch.setattr(FakeSegmenter, "segment", doubtful)
    assert refine(ON_LARGE, ON_GREEN).confidence == unsure < sure


def test_where_nothing_is_found_the_mask_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(
        _self: object, images: Sequence[Image], prompts: Sequence[ConceptPrompt], **_how: Any
    ) -> list[list[Detections]]:
        return [[Detections.empty() for _ in prompts] for _ in images]

    monkeypatch.setattr(FakeSegmenter, "segment", nothing)

    assert (refine(ON_LARGE).mask.area, refine(ON_LARGE).confidence) == (0, 0.0)
