from fractions import Fraction

import numpy as np
import pytest

from komadori.media.base import VideoFacts
from komadori.media.packet_index import KEY, PacketIndex, build_index
from komadori.media.segments import Segment, feed_rows, plan_segments, with_neighbours


def facts(*, is_interlaced: bool = False) -> VideoFacts:
    return VideoFacts(
        container="mp4",
        codec="h264",
        duration_s=10.0,
        width=1920,
        height=1080,
        rotation=0,
        stream_index=0,
        time_base=Fraction(1, 25),
        start_pts=0,
        n_frames=30,
        is_variable_frame_rate=False,
        details={"is_interlaced": is_interlaced},
    )


def regular(n: int, gop: int) -> PacketIndex:
    """Closed groups without reordering."""
    packets = [(i, i, KEY * (i % gop == 0), 99) for i in range(n)]
    return build_index(packets, Fraction(1, 25), Fraction(1, 25), are_times_reliable=True)


def open_groups() -> PacketIndex:
    """Groups of four; two pictures shown before each keyframe but the first follow it in the file."""
    order = [(0, KEY), (1, 0), (4, KEY), (2, 0), (3, 0), (5, 0), (8, KEY), (6, 0), (7, 0), (9, 0)]
    packets = [(pts, row, flags, 99) for row, (pts, flags) in enumerate(order)]
    return build_index(packets, Fraction(1, 25), Fraction(1, 25), are_times_reliable=True)


def test_nothing_wanted_needs_no_segment() -> None:
    assert plan_segments(regular(30, 10), [], facts=facts()) == []


def test_feeding_ends_at_the_last_wanted_picture() -> None:
    (segment,) = plan_segments(regular(30, 10), [4], facts=facts())
    assert (segment.start_row, segment.stop_row, segment.targets) == (0, 5, (4,))


def test_groups_without_a_wanted_picture_are_not_fed() -> None:
    feed = feed_rows(regular(30, 10), [2, 21])
    assert np.flatnonzero(feed).tolist() == [0, 1, 2, 20, 21]


def test_a_picture_shown_before_its_keyframe_needs_the_group_before() -> None:
    feed = feed_rows(open_groups(), [7])
    assert np.flatnonzero(feed).tolist() == [2, 3, 4, 5, 6, 7]


def test_the_keyframe_of_an_open_group_needs_itself_only() -> None:
    assert np.flatnonzero(feed_rows(open_groups(), [6])).tolist() == [6]


def test_segments_end_at_keyframes_and_share_no_packet() -> None:
    segments = plan_segments(regular(30, 10), list(range(30)), facts=facts(), max_cost_s=0.0)
    assert [(s.start_row, s.stop_row) for s in segments] == [(0, 10), (10, 20), (20, 30)]
    assert [t for s in segments for t in s.targets] == list(range(30))


def test_groups_are_put_together_up_to_the_cost() -> None:
    all_of_them = plan_segments(regular(100, 10), list(range(100)), facts=facts(), max_cost_s=1e9)
    assert len(all_of_them) == 1
    half = plan_segments(
        regular(100, 10), list(range(100)), facts=facts(), max_cost_s=all_of_them[0].cost_s * 0.51
    )
    assert [len(s.targets) for s in half] == [50, 50]


def test_open_groups_overlap_by_the_group_before_only() -> None:
    segments = plan_segments(open_groups(), list(range(10)), facts=facts(), max_cost_s=0.0)
    assert [(s.start_row, s.stop_row) for s in segments] == [(0, 2), (0, 6), (2, 10)]


def test_a_file_whose_pictures_are_only_counted_is_one_segment() -> None:
    packets = [(None, None, KEY * (i % 5 == 0), 99) for i in range(20)]
    index = build_index(packets, Fraction(1, 25), Fraction(1, 25), are_times_reliable=True)
    (segment,) = plan_segments(index, [1, 12], facts=facts(), max_cost_s=0.0)
    assert (segment.mode, segment.start_row, segment.stop_row) == ("sequential", 0, 20)


def test_interlaced_pictures_bring_their_neighbours() -> None:
    (segment,) = plan_segments(regular(30, 10), [10], facts=facts(is_interlaced=True))
    assert (segment.start_row, segment.stop_row) == (0, 12)
    assert with_neighbours(regular(30, 10), [0, 10, 29]) == [0, 1, 9, 10, 11, 28, 29]


def test_survives_json() -> None:
    (segment,) = plan_segments(regular(30, 10), [4, 9], facts=facts())
    assert Segment.from_dict(segment.to_dict()) == segment


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(KeyError):
        plan_segments(regular(30, 10), [30], facts=facts())
