"""What every segmenter that answers clicks promises, with a small checkpoint where it needs one."""

from functools import cache

import numpy as np
import pytest

from komadori.core import masks, registry
from komadori.core.errors import InputError
from komadori.core.types import ClickPrompt, Image
from komadori.ml.segmenters.base import ClickSegmenter, clickable
from tests.support import checkpoints
from tests.support.segmenter_scenes import click, scene

CHECKPOINTS = {"sam3": checkpoints.SAM3_TRACKER}


@cache
def make(name: str) -> ClickSegmenter:
    source = CHECKPOINTS.get(name, name)
    return clickable(registry.factory("segmenters", name)(source, threads=1))


@pytest.fixture(params=registry.names("segmenters"))
def segmenter(request: pytest.FixtureRequest) -> ClickSegmenter:
    return make(request.param)


def test_the_mask_is_in_the_size_of_its_frame(segmenter: ClickSegmenter) -> None:
    for height, width in ((90, 160), (120, 80), (33, 47)):
        found = segmenter.refine(scene(height, width), click((width / 4, height / 4, True)))

        assert found.mask.size_hw == (height, width)
        assert found.mask.area > 0
        assert 0.0 <= found.confidence <= 1.0


def test_a_point_on_the_last_edge_is_one_in_the_frame(segmenter: ClickSegmenter) -> None:
    assert segmenter.refine(scene(), click((160, 90, True))).mask.size_hw == (90, 160)


def test_the_same_clicks_give_the_same_mask(segmenter: ClickSegmenter) -> None:
    clicks = click((40, 30, True), (110, 20, False), box=(10, 5, 120, 60))

    assert segmenter.refine(scene(), clicks) == segmenter.refine(scene(), clicks)


def test_each_part_of_the_clicks_counts(segmenter: ClickSegmenter) -> None:
    mask = masks.encode(np.indices((90, 160))[1] > 100)
    asked = [
        click((40, 30, True)),
        click((40, 30, True), (41, 28, True), (120, 70, True)),
        click((40, 30, True), (30, 20, False)),
        click((40, 30, True), box=(14, 7, 66, 40)),
        click((40, 30, True), mask=mask),
        click(box=(90, 50, 150, 88)),
        click(mask=mask),
    ]

    answers = [segmenter.refine(scene(), clicks).mask for clicks in asked]

    assert len(set(answers)) > 4, "an empty mask may come twice"


def test_the_image_is_left_as_it_was_and_may_be_a_view(segmenter: ClickSegmenter) -> None:
    image = scene()[:, ::-1]
    image.flags.writeable = False

    of_view = segmenter.refine(image, click((40, 30, True)))

    assert np.array_equal(image, scene()[:, ::-1])
    assert of_view == segmenter.refine(image.copy(), click((40, 30, True)))


@pytest.mark.parametrize(
    ("clicks", "code"),
    [
        (click(), "no-positive-point"),
        (click((5, 5, False)), "no-positive-point"),
        (click((161, 5, True)), "point-outside-frame"),
        (click((np.nan, 5, True)), "point-outside-frame"),
        (click(box=(200, 10, 300, 50)), "invalid-box"),
        (click(box=(60, 20, 40, 30)), "invalid-box"),
        (click(mask=masks.encode(np.ones((9, 9), np.bool_))), "invalid-mask"),
    ],
)
def test_what_names_no_object_in_the_frame_is_refused(
    segmenter: ClickSegmenter, clicks: ClickPrompt, code: str
) -> None:
    with pytest.raises(InputError) as caught:
        segmenter.refine(scene(), clicks)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))])
def test_what_is_no_rgb_image_is_refused(segmenter: ClickSegmenter, image: Image) -> None:
    with pytest.raises(InputError) as caught:
        segmenter.refine(image, click((1, 1, True)))
    assert caught.value.code == "invalid-image"
