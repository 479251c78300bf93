import numpy as np
import pytest

from komadori.core.near_duplicates import (
    DuplicateThresholds,
    NearDuplicateFilter,
    dhash,
    difference,
)


def grey(level: int) -> np.ndarray:
    return np.full((36, 64), level, np.uint8)


def with_block(level: int, block: int) -> np.ndarray:
    """Flat but for one of the 64 blocks of 9 x 4 samples."""
    picture = grey(level)
    picture[9:18, 8:12] = block
    return picture


def test_measures_of_a_flat_change_are_both_its_height() -> None:
    result = difference(grey(100), grey(97))
    assert (result.mad, result.bmx) == (3.0, 3.0)


def test_a_small_object_hardly_moves_the_mean_but_shows_in_its_block() -> None:
    result = difference(grey(100), with_block(100, 164))
    assert (result.mad, result.bmx) == (1.0, 64.0)


def test_difference_does_not_wrap_around_in_eight_bits() -> None:
    assert difference(grey(0), grey(255)).mad == 255.0


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(36, 64\).*\(2, 2\)"):
        difference(grey(0), np.zeros((2, 2), np.uint8))


def test_a_still_scene_is_kept_once() -> None:
    judge = NearDuplicateFilter().judge
    verdicts = [judge(i, float(i), grey(100 + i % 2)) for i in range(5)]
    assert [v.duplicate_of for v in verdicts] == [None, 0, 0, 0, 0]


def test_a_person_who_walks_in_is_no_duplicate() -> None:
    judge = NearDuplicateFilter().judge
    judge(0, 0.0, grey(100))
    assert judge(1, 1.0, with_block(100, 164)).duplicate_of is None


def test_a_scene_that_is_visited_again_is_kept_again() -> None:
    judge = NearDuplicateFilter().judge
    levels = [60, 60, 180, 180, 60]
    kept = [i for i, v in enumerate(levels) if judge(i, float(i), grey(v)).duplicate_of is None]
    assert kept == [0, 2, 4]


def test_a_slow_drift_is_compared_with_what_was_kept_not_with_the_frame_before() -> None:
    judge = NearDuplicateFilter().judge
    kept = [i for i in range(13) if judge(i, float(i), grey(100 + i)).duplicate_of is None]
    assert kept == [0, 6, 12]


def test_one_frame_in_thirty_seconds_is_always_kept() -> None:
    judge = NearDuplicateFilter().judge
    kept = [t for t in range(0, 95, 5) if judge(t, float(t), grey(100)).duplicate_of is None]
    assert kept == [0, 30, 60, 90]


def test_the_verdict_says_how_far_the_frames_are_apart() -> None:
    judge = NearDuplicateFilter(DuplicateThresholds(mad=1.0)).judge
    judge(7, 0.0, grey(100))
    verdict = judge(8, 1.0, grey(102))
    assert verdict.duplicate_of is None
    assert verdict.compared_with == 7
    assert verdict.difference is not None
    assert verdict.difference.mad == 2.0


def test_negative_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="zero or more"):
        DuplicateThresholds(mad=-1.0)


def test_hash_of_a_picture_that_brightens_to_the_right_is_all_ones() -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (36, 1))
    assert dhash(ramp) == "ffffffffffffffff"
    assert dhash(ramp[:, ::-1]) == "0000000000000000"


def test_hash_of_a_flat_picture_is_all_zeros() -> None:
    assert dhash(grey(77)) == "0000000000000000"
