"""Shapes, units and identities are checked once, when a value is built."""

from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest

from komadori.core.masks import encode
from komadori.core.types import (
    ConceptPrompt,
    Detections,
    EmbeddingBatch,
    EmbeddingSpace,
    Frame,
    FrameCandidate,
    JobState,
    Priority,
    Queue,
)

SPACE = EmbeddingSpace("google/siglip2-base-patch16-224", "0123456789abcdef" * 2, "fedcba9876543210", 768)


def unit_vectors(n: int, dim: int = 4) -> np.ndarray:
    return np.eye(dim, dtype=np.float32)[np.arange(n) % dim]


def batch(vectors: np.ndarray, kept: np.ndarray | None = None) -> EmbeddingBatch:
    return EmbeddingBatch(vectors, np.arange(len(vectors)) if kept is None else kept)


def frame_at(pts: int, time_base: Fraction) -> Frame:
    return Frame(
        id=1,
        video_id=1,
        stream_index=0,
        decode_index=0,
        pts=pts,
        time_base=time_base,
        width=64,
        height=48,
        image_key="a",
        thumbnail_key="b",
        image_sha256="c",
        perceptual_hash="d",
        is_key=True,
        is_suspect=False,
        transform={},
    )


@pytest.mark.parametrize(
    ("pts", "time_base", "seconds"),
    [
        (90_000, Fraction(1, 90_000), 1.0),
        (1001, Fraction(1, 30_000), 1001 / 30_000),
        (-512, Fraction(1, 1024), -0.5),
    ],
)
def test_seconds_follow_from_pts_and_time_base(pts: int, time_base: Fraction, seconds: float) -> None:
    assert frame_at(pts, time_base).pts_s == seconds


def test_time_of_a_candidate_is_exact() -> None:
    third = FrameCandidate(decode_index=0, pts=1, time_base=Fraction(1, 3), is_key=True).time

    assert third + third + third == 1


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SPACE.dim = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "other",
    [
        EmbeddingSpace("google/siglip2-base-patch16-384", SPACE.revision, SPACE.preprocessing_hash, 768),
        EmbeddingSpace(SPACE.model_id, SPACE.revision[:-1] + "0", SPACE.preprocessing_hash, 768),
        EmbeddingSpace(SPACE.model_id, SPACE.revision, SPACE.preprocessing_hash[:-1] + "1", 768),
        EmbeddingSpace(SPACE.model_id, SPACE.revision, SPACE.preprocessing_hash, 769),
        EmbeddingSpace("google-siglip2/base-patch16-224", SPACE.revision, SPACE.preprocessing_hash, 768),
    ],
)
def test_spaces_that_differ_anywhere_have_different_keys(other: EmbeddingSpace) -> None:
    assert other.key != SPACE.key


def test_key_of_a_space_stays_the_same_for_ever() -> None:
    assert SPACE.key == "google-siglip2-base-patch16-224-768-79907470f54e08fa6c960262"


@pytest.mark.parametrize("model_id", ["../../etc/passwd", "..", "a b\\c:d*?\n", "模型/小鳥", "x" * 500, ""])
def test_key_of_any_model_is_one_safe_path_segment(model_id: str) -> None:
    key = EmbeddingSpace(model_id, "sha256:" + "0" * 64, "../..", 8).key

    assert len(key) < 120
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert key.strip(".")


def test_batch_knows_its_length() -> None:
    assert len(batch(unit_vectors(3))) == 3
    assert len(batch(unit_vectors(0))) == 0


@pytest.mark.parametrize(
    ("vectors", "kept", "message"),
    [
        (unit_vectors(3), np.arange(2), r"\(3, 4\) and \(2,\)"),
        (unit_vectors(3)[0], np.arange(1), r"\(4,\) and \(1,\)"),
        (unit_vectors(3), np.zeros((3, 1), np.int64), r"\(3, 4\) and \(3, 1\)"),
        (unit_vectors(3) * 2, np.arange(3), "unit norm"),
        (np.full((1, 4), np.nan, np.float32), np.arange(1), "without NaN"),
        (unit_vectors(3).astype(np.float64), np.arange(3), "got float64"),
        (unit_vectors(3), np.arange(3, dtype=np.int32), "int32"),
    ],
)
def test_batch_of_another_shape_or_norm_is_refused(
    vectors: np.ndarray, kept: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingBatch(vectors, kept)


def test_prompt_of_words_has_no_boxes_or_points() -> None:
    prompt = ConceptPrompt("bird", "a bird")

    assert prompt.boxes_xyxy.shape == (0, 4)
    assert prompt.points_xy.shape == (0, 2)


def test_prompt_of_a_box_needs_no_words() -> None:
    box = np.array([[1, 2, 3, 4]], np.float32)

    assert ConceptPrompt("bird", None, box, np.array([True])).text is None


@pytest.mark.parametrize("text", [None, ""])
def test_empty_prompt_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="a text, a box or a point"):
        ConceptPrompt("bird", text)


def test_signs_of_another_number_than_boxes_or_points_are_refused() -> None:
    with pytest.raises(ValueError, match="box_is_positive"):
        ConceptPrompt("bird", None, np.zeros((2, 4), np.float32), np.array([True]))
    with pytest.raises(ValueError, match="point_is_positive"):
        ConceptPrompt("bird", None, points_xy=np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(
    ("xyxy", "confidence", "n_masks", "names", "tracks"),
    [
        (np.zeros((2, 4)), np.zeros(3), None, ["a"] * 3, None),
        (np.zeros((2, 5)), np.zeros(2), None, ["a"] * 2, None),
        (np.zeros((2, 4)), np.zeros((2, 1)), None, ["a"] * 2, None),
        (np.zeros((2, 4)), np.zeros(2), 1, ["a"] * 2, None),
        (np.zeros((2, 4)), np.zeros(2), None, ["a"], None),
        (np.zeros((2, 4)), np.zeros(2), None, ["a"] * 2, np.zeros(1, np.int64)),
    ],
)
def test_detections_of_unequal_lengths_are_refused(
    xyxy: np.ndarray, confidence: np.ndarray, n_masks: int | None, names: list[str], tracks: np.ndarray | None
) -> None:
    mask = encode(np.ones((2, 2), np.bool_))

    with pytest.raises(ValueError, match="expected"):
        Detections(
            xyxy.astype(np.float32),
            confidence.astype(np.float32),
            None if n_masks is None else [mask] * n_masks,
            names,
            tracks,
        )


def test_no_detections_have_length_zero() -> None:
    assert len(Detections.empty()) == 0


def test_values_with_arrays_are_compared_and_hashed_by_identity() -> None:
    one, other = Detections.empty(), Detections.empty()

    assert one != other
    assert len({one, other, one}) == 2


@pytest.mark.parametrize(
    ("state", "is_terminal"),
    [("queued", False), ("running", False), ("done", True), ("failed", True), ("cancelled", True)],
)
def test_only_queued_and_running_jobs_go_on(state: str, is_terminal: bool) -> None:
    assert JobState(state).is_terminal is is_terminal


def test_there_are_exactly_three_queues_and_two_priorities() -> None:
    assert [queue.value for queue in Queue] == ["default", "siglip", "sam3"]
    assert [priority.value for priority in Priority] == ["interactive", "bulk"]
