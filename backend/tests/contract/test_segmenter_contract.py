"""What every registered segmenter promises, with a small checkpoint where it needs one."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from komadori.core import masks, registry
from komadori.core.errors import InputError
from komadori.core.types import ConceptPrompt, Image
from komadori.ml.segmenters.base import ConceptSegmenter
from tests.support import checkpoints
from tests.support.segmenter_scenes import LOOSE, exemplars, noise, scene, words

CHECKPOINTS = {"sam3": checkpoints.SAM3}


@cache
def make(name: str) -> ConceptSegmenter:
    source = CHECKPOINTS.get(name, name)
    made: ConceptSegmenter = registry.factory("segmenters", name)(source, threads=1)
    return made


@pytest.fixture(params=registry.names("segmenters"))
def segmenter(request: pytest.FixtureRequest) -> ConceptSegmenter:
    return make(request.param)


def test_the_built_in_ones_are_registered() -> None:
    assert {"fake", "sam3"} <= set(registry.names("segmenters"))


def test_it_says_what_it_is(segmenter: ConceptSegmenter) -> None:
    assert segmenter.model_id
    assert segmenter.model_revision
    assert segmenter.device_name.startswith("cpu")


def test_results_go_by_image_then_by_prompt(segmenter: ConceptSegmenter) -> None:
    images = [scene(90, 160), scene(120, 80), scene(33, 47)]
    prompts = [words("red", "car"), words("green", "tree")]

    found = segmenter.segment(images, prompts, **LOOSE)

    assert [len(row) for row in found] == [2, 2, 2]
    for row in found:
        for prompt, detections in zip(prompts, row, strict=True):
            assert len(detections) > 0
            assert set(detections.class_names) == {prompt.class_name}


def test_masks_and_boxes_lie_in_their_own_frame(segmenter: ConceptSegmenter) -> None:
    for height, width in ((90, 160), (120, 80), (33, 47)):
        [[detections]] = segmenter.segment([scene(height, width)], [words("red")], **LOOSE)

        assert detections.masks is not None
        assert {mask.size_hw for mask in detections.masks} == {(height, width)}
        assert all(mask.area > 0 for mask in detections.masks)
        assert detections.xyxy.dtype == np.float32
        assert (detections.xyxy >= 0).all()
        assert (detections.xyxy <= [width, height, width, height]).all()


def test_the_best_comes_first_and_the_threshold_holds(segmenter: ConceptSegmenter) -> None:
    [[everything]] = segmenter.segment([scene()], [words("red")], **LOOSE)
    limit = float(everything.confidence.mean())

    [[confident]] = segmenter.segment([scene()], [words("red")], score_threshold=limit, mask_threshold=0.5)

    assert (np.diff(everything.confidence) <= 0).all()
    assert confident.confidence.tolist() == [c for c in everything.confidence.tolist() if c >= limit]


def test_a_higher_mask_threshold_never_adds_pixels(segmenter: ConceptSegmenter) -> None:
    image, prompt = noise(48, 64, seed=3) // 3 * 2 + scene(48, 64) // 3, words("red")

    def covered(mask_threshold: float) -> set[int]:
        [[found]] = segmenter.segment([image], [prompt], score_threshold=0.0, mask_threshold=mask_threshold)
        return {int(pixel) for rle in found.masks or [] for pixel in np.flatnonzero(masks.decode(rle))}

    assert covered(0.4) > covered(0.6) > set()


def test_nothing_found_is_an_empty_result(segmenter: ConceptSegmenter) -> None:
    [[detections]] = segmenter.segment([scene()], [words("red")], score_threshold=1.0, mask_threshold=1.0)

    assert len(detections) == 0
    assert detections.xyxy.shape == (0, 4)
    assert detections.masks == []


def test_no_prompts_and_no_images(segmenter: ConceptSegmenter) -> None:
    assert segmenter.segment([scene(), scene()], [], **LOOSE) == [[], []]
    assert segmenter.segment([], [words("red")], **LOOSE) == []


def test_the_image_is_left_as_it_was(segmenter: ConceptSegmenter) -> None:
    image = scene()
    image.flags.writeable = False

    segmenter.segment([image], [words("red"), exemplars((1, 1, 30, 30, True))], **LOOSE)

    assert np.array_equal(image, scene())


@pytest.mark.parametrize("view", [lambda image: image[:, ::-1], lambda image: image[::2, 1::3]])
def test_an_image_may_be_a_view(segmenter: ConceptSegmenter, view: Callable[[Image], Image]) -> None:
    image = view(scene())

    [[of_view]] = segmenter.segment([image], [words("red")], **LOOSE)
    [[of_copy]] = segmenter.segment([image.copy()], [words("red")], **LOOSE)

    assert of_view.masks == of_copy.masks


def assert_refused(segmenter: ConceptSegmenter, code: str, image: Image, prompt: ConceptPrompt) -> None:
    with pytest.raises(InputError) as caught:
        segmenter.segment([image], [prompt], **LOOSE)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_prompt_that_would_be_cut_is_refused(segmenter: ConceptSegmenter) -> None:
    assert_refused(segmenter, "prompt-too-long", scene(), words("red " * 33))


def test_a_blank_prompt_is_refused(segmenter: ConceptSegmenter) -> None:
    assert_refused(segmenter, "empty-prompt", scene(), words(" \n", "thing"))


def test_points_are_refused_as_they_name_no_concept(segmenter: ConceptSegmenter) -> None:
    point = ConceptPrompt(
        "dog", "dog", points_xy=np.ones((1, 2), np.float32), point_is_positive=np.ones(1, bool)
    )

    assert_refused(segmenter, "points-unsupported", scene(), point)


@pytest.mark.parametrize("box", [(200, 10, 300, 50), (50, 50, 50, 60), (60, 20, 40, 30), (np.nan, 0, 9, 9)])
def test_a_box_without_area_in_the_frame_is_refused(
    segmenter: ConceptSegmenter, box: tuple[float, float, float, float]
) -> None:
    assert_refused(segmenter, "invalid-box", scene(), exemplars((*box, True)))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3)),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(segmenter: ConceptSegmenter, image: Image) -> None:
    assert_refused(segmenter, "invalid-image", image, words("red"))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(segmenter: ConceptSegmenter, value: float) -> None:
    for thresholds in ((value, 0.5), (0.5, value)):
        with pytest.raises(InputError, match="threshold from 0 to 1"):
            segmenter.segment(
                [scene()], [words("red")], score_threshold=thresholds[0], mask_threshold=thresholds[1]
            )
