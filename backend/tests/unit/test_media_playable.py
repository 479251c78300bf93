"""Which files browsers play, and at which times they show their frames."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from komadori.media.base import VideoFacts
from komadori.media.packet_index import DISCARD, KEY, PacketIndex, build_index
from komadori.media.playable import MP4, WEBM, media_times_s, why_not_playable
from komadori.media.proxy import proxy_pts, proxy_time_base, proxy_times_s

MS = Fraction(1, 1000)


def index_of(*pts: int, time_base: Fraction = MS, is_ordinal: bool = False) -> PacketIndex:
    packets = [(p, k - 1, KEY if k == 0 else 0, 10) for k, p in enumerate(pts)]
    return build_index(packets, time_base, Fraction(1, 25), are_times_reliable=not is_ordinal)


def facts(**changes: Any) -> VideoFacts:
    details = {
        "pixel_format": "yuv420p",
        "is_interlaced": False,
        "is_mirrored": False,
        "n_video_streams": 1,
        "is_truncated": False,
        "n_damaged_packets": 0,
        "n_declared_frames": 3,
    }
    fields = {name: changes.pop(name) for name in list(changes) if name not in details}
    plain = VideoFacts(
        "mov,mp4,m4a", "h264", 1.0, 64, 48, 0, 0, MS, 0, 3, is_variable_frame_rate=False, details={}
    )
    return replace(plain, details={**details, **changes}, **fields)


@pytest.mark.parametrize(
    ("mime", "codec"), [(MP4, "h264"), (MP4, "libdav1d"), (MP4, "vp9"), (WEBM, "vp8"), (WEBM, "vp9")]
)
def test_what_browsers_play(mime: str, codec: str) -> None:
    assert why_not_playable(mime, facts(codec=codec), index_of(0, 40, 80)) is None


@pytest.mark.parametrize(
    ("mime", "changes", "word"),
    [
        ("application/octet-stream", {"container": "mpegts"}, "mpegts"),
        (MP4, {"codec": "hevc"}, "hevc"),
        (MP4, {"codec": "vp8"}, "vp8"),
        (WEBM, {"codec": "h264"}, "h264"),
        (MP4, {"pixel_format": "yuv420p10le"}, "yuv420p10le"),
        (MP4, {"pixel_format": "yuv444p"}, "yuv444p"),
        (MP4, {"is_interlaced": True}, "interlaced"),
        (MP4, {"is_mirrored": True}, "mirrored"),
        (MP4, {"n_video_streams": 2}, "several"),
        (MP4, {"is_truncated": True}, "cut off"),
        (MP4, {"n_damaged_packets": 1}, "damaged"),
        (MP4, {"n_declared_frames": 0}, "fragments"),
        (MP4, {"start_pts": -40}, "time 0"),
        (WEBM, {"codec": "vp9", "start_pts": 40}, "time 0"),
    ],
)
def test_what_is_not_sure_to_be_played(mime: str, changes: dict[str, Any], word: str) -> None:
    reason = why_not_playable(mime, facts(**changes), index_of(0, 40, 80))

    assert reason is not None
    assert word in reason


def test_a_file_whose_frames_are_one_step_of_time_apart_is_not_sure() -> None:
    coarse = index_of(0, 2, 3, time_base=Fraction(1, 25))

    assert "coarse" in (why_not_playable(MP4, facts(), coarse) or "")


def test_media_times_are_those_of_the_visible_frames_in_order_to_the_microsecond() -> None:
    packets = [(-1, -1, KEY | DISCARD, 10), (0, 0, 0, 10), (2, 1, 0, 10), (1, 2, 0, 10)]
    index = build_index(packets, Fraction(1001, 30000), Fraction(1001, 30000), are_times_reliable=True)

    assert media_times_s(index).tolist() == [0.0, 0.033367, 0.066733]


def test_a_proxy_keeps_the_times_and_begins_at_0() -> None:
    index = index_of(2500, 2540, 2700)

    assert proxy_time_base(index) == Fraction(1, 10_000)
    assert proxy_pts(index).tolist() == [0, 400, 2000]
    assert proxy_times_s(index).tolist() == [0.0, 0.04, 0.2]


def test_times_of_a_proxy_that_are_finer_than_mp4_can_hold_are_rounded() -> None:
    index = index_of(5, 40_000_405, 80_000_905, time_base=Fraction(1, 10**9))

    assert proxy_time_base(index) == Fraction(1, 1_000_000)
    assert proxy_pts(index).tolist() == [0, 40_000, 80_001]


def test_recordings_that_were_joined_follow_each_other_in_a_proxy() -> None:
    index = build_index(
        [(0, 0, KEY, 10), (40, 40, 0, 10), (80, 80, 0, 10), (0, 0, KEY, 10), (40, 40, 0, 10)],
        MS,
        Fraction(1, 25),
        are_times_reliable=True,
    )

    assert proxy_pts(index).tolist() == [0, 400, 800, 1200, 1600]


def test_a_single_frame_has_a_time() -> None:
    assert np.array_equal(proxy_times_s(index_of(7)), [0.0])
