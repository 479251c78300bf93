"""SAM 3 on the untrained checkpoint: the same answers as the plain call, for less work."""

from collections.abc import Sequence

import numpy as np
import pytest

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.progress import Cancelled, NoProgress, stoppable
from komadori.core.types import ConceptPrompt, Detections, Image
from komadori.ml.segmenters.sam3 import Sam3Segmenter
from tests.support import checkpoints
from tests.support.sam3_models import PlainSam3, encoder_calls, ious, untrained_segmenter
from tests.support.segmenter_scenes import LOOSE, exemplars, noise, scene, words

FRAMES = [noise(90, 160, seed=1), scene(150, 70), scene(31, 33)]

PROMPTS = [
    words("red car"),
    words("A large striped Umbrella"),
    exemplars((3, 4, 25, 20, True)),
    exemplars((3, 4, 25, 20, True), (8, 8, 30, 28, False), text="dog"),
]

SCORE_TOLERANCE = 1e-5
BOX_TOLERANCE_PX = 1e-2
MASK_IOU = 0.999
"""Float32 sums in another order: with P prompts in a batch, and with another BLAS."""


@pytest.fixture(scope="module")
def plain() -> PlainSam3:
    return PlainSam3(checkpoints.SAM3)


@pytest.fixture(scope="module")
def faithful() -> Sam3Segmenter:
    """Without the suppression of duplicates, which the plain call does not have."""
    return untrained_segmenter(duplicate_iou=None)


@pytest.fixture
def segmenter() -> Sam3Segmenter:
    """With nothing encoded yet."""
    return untrained_segmenter()


def decoded(detections: Detections) -> list[np.ndarray]:
    assert detections.masks is not None
    return [masks.decode(rle) for rle in detections.masks]


def assert_close(a: Detections, b: Detections) -> None:
    np.testing.assert_allclose(a.confidence, b.confidence, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(a.xyxy, b.xyxy, atol=BOX_TOLERANCE_PX)
    assert min(ious(decoded(a), decoded(b)), default=1.0) >= MASK_IOU


@pytest.mark.parametrize("image", FRAMES, ids=lambda image: f"{image.shape[1]}x{image.shape[0]}")
@pytest.mark.parametrize("prompt", PROMPTS, ids=["words", "more words", "box", "words and boxes"])
def test_the_plain_call_gives_the_same(
    plain: PlainSam3, faithful: Sam3Segmenter, image: Image, prompt: ConceptPrompt
) -> None:
    expected = plain(image, prompt)
    is_visible = expected.masks.any(axis=(1, 2))

    [[found]] = faithful.segment([image], [prompt], **LOOSE)

    assert is_visible.any()
    np.testing.assert_allclose(found.confidence, expected.confidence[is_visible], atol=SCORE_TOLERANCE)
    height, width = image.shape[:2]
    in_frame = np.clip(expected.xyxy[is_visible], 0, [width, height, width, height])
    np.testing.assert_allclose(found.xyxy, in_frame, atol=BOX_TOLERANCE_PX)
    assert min(ious(decoded(found), list(expected.masks[is_visible]))) >= MASK_IOU


def test_the_plain_call_keeps_the_same_at_a_threshold(plain: PlainSam3, faithful: Sam3Segmenter) -> None:
    scores = np.sort(plain(FRAMES[0], PROMPTS[0]).confidence)
    limit = float((scores[len(scores) // 2] + scores[len(scores) // 2 - 1]) / 2)
    expected = plain(FRAMES[0], PROMPTS[0], score_threshold=limit)

    [[found]] = faithful.segment([FRAMES[0]], [PROMPTS[0]], score_threshold=limit, mask_threshold=0.5)

    assert 0 < len(expected.confidence) < len(scores)
    assert len(found) == expected.masks.any(axis=(1, 2)).sum()


def test_an_answer_does_not_depend_on_its_company(faithful: Sam3Segmenter) -> None:
    together = faithful.segment(FRAMES, PROMPTS, **LOOSE)

    for image, row in zip(FRAMES, together, strict=True):
        for prompt, found in zip(PROMPTS, row, strict=True):
            [[alone]] = faithful.segment([image], [prompt], **LOOSE)
            assert_close(found, alone)


def test_prompts_answer_in_their_own_order(faithful: Sam3Segmenter) -> None:
    order = [2, 0, 1, 3]  # its reverse is not its mirror image: reversed answers are told
    [straight] = faithful.segment(FRAMES[:1], PROMPTS, **LOOSE)

    [shuffled] = faithful.segment(FRAMES[:1], [PROMPTS[i] for i in order], **LOOSE)

    for i, found in zip(order, shuffled, strict=True):
        assert_close(found, straight[i])


def test_many_prompts_go_through_in_parts(faithful: Sam3Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [words(text) for text in ("dog", "cat", "bus", "tree", "red ball")]
    [at_once] = faithful.segment(FRAMES[:1], prompts, **LOOSE)
    monkeypatch.setattr(faithful, "prompts_per_pass", 2)

    [in_parts] = faithful.segment(FRAMES[:1], prompts, **LOOSE)

    for a, b in zip(at_once, in_parts, strict=True):
        assert_close(a, b)


def test_an_image_is_encoded_once_for_all_prompts(segmenter: Sam3Segmenter) -> None:
    with encoder_calls(segmenter) as calls:
        segmenter.segment(FRAMES, PROMPTS, **LOOSE)

    assert calls.images == len(FRAMES)


def test_a_text_is_encoded_once_for_all_images(segmenter: Sam3Segmenter) -> None:
    prompts = [words("dog"), words("cat"), words(" dog "), exemplars((1, 1, 20, 20, True))]
    with encoder_calls(segmenter) as calls:
        segmenter.segment(FRAMES, prompts, **LOOSE)
        segmenter.segment([noise(40, 40, seed=9)], prompts, **LOOSE)

    assert calls.texts == 3  # dog, cat, and the one word that stands for a box alone


def test_a_second_question_about_a_frame_costs_no_encoder(segmenter: Sam3Segmenter) -> None:
    [[first]] = segmenter.segment([FRAMES[0]], [words("dog")], **LOOSE)

    with encoder_calls(segmenter) as calls:
        [[again]] = segmenter.segment([FRAMES[0].copy()], [words("dog")], **LOOSE)
        segmenter.segment([FRAMES[0]], [exemplars((1, 1, 20, 20, True))], **LOOSE)

    assert calls.images == 0
    assert again.masks == first.masks


def test_a_reused_buffer_is_a_new_frame(segmenter: Sam3Segmenter) -> None:
    buffer = FRAMES[0].copy()
    segmenter.segment([buffer], [words("dog")], **LOOSE)
    buffer[7, 7] ^= 255  # between the rows that are compared first

    with encoder_calls(segmenter) as calls:
        segmenter.segment([buffer], [words("dog")], **LOOSE)

    assert calls.images == 1


def ask(segmenter: Sam3Segmenter, images: Sequence[Image]) -> int:
    """How many of the images had to be encoded for a prompt on each of them."""
    with encoder_calls(segmenter) as calls:
        for image in images:
            segmenter.segment([image], [words("dog")], **LOOSE)
    return calls.images


def test_only_the_last_few_frames_are_kept(segmenter: Sam3Segmenter) -> None:
    frames = [noise(20, 20, seed=seed) for seed in range(6)]

    assert ask(segmenter, frames) == 6
    assert ask(segmenter, frames[2:]) == 0
    assert ask(segmenter, frames[:1]) == 1
    assert len(segmenter._images._recent._kept) == segmenter._images.capacity == 4


def test_the_frame_asked_for_last_stays_longest(segmenter: Sam3Segmenter) -> None:
    frames = [noise(20, 20, seed=seed) for seed in range(5)]
    ask(segmenter, [*frames[:4], frames[0], frames[4]])

    assert ask(segmenter, [frames[0]]) == 0
    assert ask(segmenter, [frames[1]]) == 1


def test_bulk_work_leaves_the_frame_on_the_screen_in_place(segmenter: Sam3Segmenter) -> None:
    on_screen = noise(20, 20, seed=0)
    ask(segmenter, [on_screen])

    segmenter.segment([noise(20, 20, seed=seed) for seed in range(1, 8)], [words("dog")], **LOOSE)

    assert ask(segmenter, [on_screen]) == 0


def test_bad_prompts_fail_before_any_work(segmenter: Sam3Segmenter) -> None:
    with encoder_calls(segmenter) as calls, pytest.raises(InputError, match="at most 32 tokens"):
        segmenter.segment(FRAMES, [words("dog"), words("dog " * 31)], **LOOSE)

    assert calls.images == 0


def test_duplicates_are_suppressed_unless_asked_for(
    faithful: Sam3Segmenter, segmenter: Sam3Segmenter
) -> None:
    segmenter.duplicate_iou = 0.1
    [[everything]] = faithful.segment([FRAMES[0]], [words("dog")], **LOOSE)

    [[distinct]] = segmenter.segment([FRAMES[0]], [words("dog")], **LOOSE)

    assert 1 <= len(distinct) < len(everything)
    assert distinct.confidence[0] == everything.confidence[0]
    assert set(distinct.confidence) <= set(everything.confidence)


def test_duplicates_are_looked_for_within_a_prompt_only(segmenter: Sam3Segmenter) -> None:
    [[first, second]] = segmenter.segment([FRAMES[0]], [words("dog", "a"), words("dog", "b")], **LOOSE)

    assert first.masks == second.masks
    assert set(second.class_names) == {"b"}


def test_a_cancel_is_heard_between_two_passes_of_prompts(segmenter: Sam3Segmenter) -> None:
    """On a processor one pass may take seconds, and a frame may be asked for a hundred concepts."""

    class StopAtTheThirdLook(NoProgress):
        looks = 0

        def check_cancelled(self) -> None:
            self.looks += 1
            if self.looks == 3:
                raise Cancelled

    segmenter.prompts_per_pass = 1
    progress = StopAtTheThirdLook()

    with stoppable(progress), pytest.raises(Cancelled):
        segmenter.segment([FRAMES[1]], [words(f"thing {n}") for n in range(6)], **LOOSE)

    assert progress.looks == 3
