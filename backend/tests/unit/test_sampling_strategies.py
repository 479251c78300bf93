from collections.abc import Sequence
from fractions import Fraction

import pytest

from komadori.core.errors import InputError
from komadori.core.registry import factory, names
from komadori.core.types import FrameCandidate


def at(times: Sequence[Fraction | int], *, keys: Sequence[int] = ()) -> list[FrameCandidate]:
    """Candidates at these ticks of 1/90000 s."""
    return [FrameCandidate(i, int(t), Fraction(1, 90000), i in keys) for i, t in enumerate(times)]


def ntsc(n: int) -> list[FrameCandidate]:
    """Frames at 30000/1001 a second."""
    return [FrameCandidate(i, i, Fraction(1001, 30000), is_key=False) for i in range(n)]


def picked(name: str, frames: list[FrameCandidate], **params: object) -> list[int]:
    return [f.decode_index for f in factory("samplers", name)(**params).select(frames)]


def test_registered_names() -> None:
    assert names("samplers") == ["all_frames", "between", "every", "fps", "keyframes"]


def test_every_second_takes_the_first_frame_at_or_after_each_second() -> None:
    assert picked("every", ntsc(121), seconds=1) == [0, 30, 60, 90, 120]


def test_every_does_not_drift_over_an_hour() -> None:
    chosen = picked("every", ntsc(107_893), seconds=1)
    assert len(chosen) == 3_600
    assert chosen[-1] == 107_863  # ceil(3599 * 30000 / 1001)


def test_every_counts_from_the_first_frame_not_from_zero() -> None:
    frames = at([225000 + 3000 * i for i in range(100)])
    assert picked("every", frames, seconds=1) == [0, 30, 60, 90]


def test_every_starts_at_a_negative_time_as_well() -> None:
    frames = at([-45000 + 45000 * i for i in range(6)])
    assert picked("every", frames, seconds=1) == [0, 2, 4]


def test_a_gap_of_ten_hours_gives_two_frames_not_thirty_six_thousand() -> None:
    assert picked("every", at([0, 36_000 * 90000]), seconds=1) == [0, 1]


def test_the_grid_stays_where_it_is_after_a_gap() -> None:
    frames = at([int(90000 * t) for t in (0, 0.5, 3.7, 3.9, 4.0, 4.5)])
    assert picked("every", frames, seconds=1) == [0, 2, 4]


def test_a_step_shorter_than_a_frame_takes_every_frame_once() -> None:
    assert picked("every", ntsc(10), seconds="0.001") == list(range(10))


def test_decimals_are_taken_as_written() -> None:
    frames = at([9000 * i for i in range(11)])
    assert picked("every", frames, seconds=0.1) == list(range(11))


def test_joined_recordings_start_a_new_grid_each() -> None:
    one = [90000 + 45000 * i for i in range(5)]
    assert picked("every", at(one + one), seconds=1) == [0, 2, 4, 5, 7, 9]


def test_fps_is_every_with_the_inverse() -> None:
    assert picked("fps", ntsc(61), rate=2) == picked("every", ntsc(61), seconds="1/2")


def test_fps_above_the_rate_of_the_video_repeats_nothing() -> None:
    assert picked("fps", ntsc(10), rate=120) == list(range(10))


def test_fps_understands_broadcast_rates() -> None:
    assert picked("fps", ntsc(50), rate="30000/1001") == list(range(50))


def test_keyframes_only() -> None:
    assert picked("keyframes", at(range(9), keys=(0, 4, 8))) == [0, 4, 8]


def test_all_frames() -> None:
    assert picked("all_frames", ntsc(7)) == list(range(7))


def test_between_counts_from_the_first_frame_and_leaves_out_its_end() -> None:
    frames = at([180000 + 45000 * i for i in range(8)])
    assert picked("between", frames, from_s=1, to_s=2) == [2, 3]


def test_samplers_can_be_chained() -> None:
    between = factory("samplers", "between")(from_s=1)
    every = factory("samplers", "every")(seconds=1)
    chosen = every.select(between.select(ntsc(100)))
    assert [f.decode_index for f in chosen] == [30, 60, 90]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("every", {"seconds": 0}),
        ("every", {"seconds": -1}),
        ("every", {"seconds": "often"}),
        ("every", {"seconds": float("nan")}),
        ("fps", {"rate": 0}),
        ("fps", {"rate": "1/0"}),
        ("between", {"from_s": 3, "to_s": 3}),
        ("between", {"from_s": -1}),
        ("between", {"from_s": "x"}),
    ],
)
def test_nonsense_is_refused_with_a_remedy(name: str, params: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        factory("samplers", name)(**params)
    assert caught.value.code == "invalid-sampling"
    assert caught.value.hint


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1/0", "nan", "inf", "9" * 5_000, ""])
def test_numbers_that_are_no_time_are_refused_at_once(number: str) -> None:
    for name, parameter in (("every", "seconds"), ("fps", "rate"), ("between", "from_s")):
        with pytest.raises(InputError):
            factory("samplers", name)(**{parameter: number})
