"""What scores are worth: against words of which there is nothing, and against the likeness of the frames."""

import numpy as np
import pytest
from numpy.typing import NDArray

from komadori.core import absent_words
from komadori.services import score_scale
from komadori.services.score_scale import ScoreScale

_Floats = NDArray[np.float32]


def scores_with_best(best: _Floats, n_frames: int = 40) -> _Floats:
    """(W, F) scores of which the best of each row is as given."""
    scores = np.full((len(best), n_frames), -1.0, np.float32)
    scores[np.arange(len(best)), np.arange(len(best)) % n_frames] = best
    return scores


def normal_bests(n: int = 200) -> _Floats:
    """Values with the quantiles of a normal distribution of mean 0.1 and deviation 0.02."""
    drawn = np.sort(np.random.default_rng(1).normal(0.1, 0.02, 100 * n))[50::100]
    return drawn.astype(np.float32)


def test_words_are_measured_by_the_middle_and_spread_of_absent_words() -> None:
    scale = score_scale.of_words(scores_with_best(normal_bests()), 40)
    assert scale.null_mean == pytest.approx(0.1, abs=0.001)
    assert scale.null_std == pytest.approx(0.02, abs=0.001)
    assert scale.strong_from == pytest.approx(0.144, abs=0.002), "one absent word in 70 comes so far"
    assert scale.maybe_from == pytest.approx(0.1105, abs=0.002), "three absent words in ten come so far"
    assert scale.n_null == 200


def test_some_of_the_words_may_be_there_after_all() -> None:
    bests = normal_bests()
    clean = score_scale.of_words(scores_with_best(bests), 40)
    bests[np.random.default_rng(2).permutation(200)[:20]] = 0.9
    mixed = score_scale.of_words(scores_with_best(bests), 40)
    assert mixed.strong_from - clean.strong_from < 0.5 * clean.null_std


def test_the_best_of_more_frames_than_the_sample_is_expected_to_be_higher() -> None:
    scores = np.random.default_rng(3).normal(0, 0.05, (100, 4000)).astype(np.float32)
    whole = score_scale.of_words(scores, 4000)
    judged = score_scale.of_words(scores[:, ::8], 4000)
    assert judged.null_mean == pytest.approx(whole.null_mean, abs=0.015)
    assert score_scale.of_words(scores[:, ::8], 500).null_mean < judged.null_mean - 0.02


def test_a_score_has_the_band_that_it_reaches() -> None:
    scale = ScoreScale(0.1, 0.02, 98, strong_from=0.5, maybe_from=0.25)
    assert [scale.band(score) for score in (0.9, 0.5, 0.49, 0.25, 0.24, -1.0)] == [
        "strong",
        "strong",
        "maybe",
        "maybe",
        "none",
        "none",
    ]


def test_equal_scores_have_bands_too() -> None:
    scale = score_scale.of_words(np.zeros((98, 40), np.float32), 40)
    assert scale.band(0.0) == "none"
    assert scale.band(0.1) == "strong"


def turned(angles_deg: _Floats) -> _Floats:
    """(N, 2) unit vectors."""
    angles = np.deg2rad(angles_deg)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_pictures_are_measured_by_how_alike_frames_are_that_are_no_neighbours() -> None:
    # Ten shots of four equal frames; the shots are 9 degrees apart.
    vectors = turned(np.repeat(np.arange(10) * 9.0, 4))
    scale = score_scale.of_pictures(vectors, np.ones(40, np.int64), 40)
    assert scale.n_null == 40
    assert scale.strong_from > np.cos(np.deg2rad(9.1))


def test_what_is_as_alike_as_half_of_the_frames_is_strong() -> None:
    # Frame n lies n degrees from the one before: each has its nearest at another distance.
    vectors = turned(np.cumsum(np.arange(12, dtype=np.float32)))
    scale = score_scale.of_pictures(vectors, np.arange(12), 12)
    # The nearest are 1, 1, 2, 3 .. 11 degrees away, but the very next one of each is of another video.
    assert scale.strong_from == pytest.approx(np.cos(np.deg2rad(5.5)), abs=0.002)
    assert scale.maybe_from < np.cos(np.deg2rad(9))


def test_neighbours_of_one_video_say_nothing() -> None:
    vectors = turned(np.arange(40, dtype=np.float32))
    of_one = score_scale.of_pictures(vectors, np.ones(40, np.int64), 40)
    of_many = score_scale.of_pictures(vectors, np.arange(40), 40)
    assert of_one.null_mean == pytest.approx(np.cos(np.deg2rad(3)), abs=1e-4)
    assert of_many.null_mean == pytest.approx(np.cos(np.deg2rad(1)), abs=1e-4)


def test_the_words_are_many_and_different() -> None:
    assert len(set(absent_words.WORDS)) == len(absent_words.WORDS) >= 64
    assert all(word == " ".join(word.split()) and word for word in absent_words.WORDS)
