"""The pictures and times that we decode selectively are those of a full decode by the ffmpeg program."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from komadori.media.base import VideoFacts
from komadori.media.decode import DecodeStats, Source, decode_wanted
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import probe_video
from komadori.media.segments import plan_segments
from tests.support.clips import TrueFrame, clip, real_clip, true_frames
from tests.support.extraction import samples_md5

SELECTIVE = [
    "h264.mp4", "open_gop.mp4", "long_gop.mp4", "pyramid.mkv", "hevc_open.mp4", "hevc_closed.mkv",
    "hevc_10bit.mp4", "vp9.webm", "vp8.webm", "av1.mp4", "mpeg2.mpg", "mpeg2.ts", "simple.avi", "h264.ts",
    "fragmented.mp4", "vfr.mp4", "jitter.mkv", "edit_list.mp4", "delayed.mp4", "negative_offsets.mp4",
    "loop.gif", "one_frame.mp4", "gap.mp4", "odd.mp4", "interlaced.mpg", "alpha.webm", "prores.mov",
    "cover.mp4", "turned_90.mp4",
]  # fmt: skip
SOUGHT = [
    "h264.mp4", "open_gop.mp4", "pyramid.mkv", "hevc_open.mp4", "vp9.webm", "av1.mp4", "mpeg2.mpg",
    "h264.ts", "simple.avi", "fragmented.mp4", "edit_list.mp4", "vfr.mp4",
]  # fmt: skip
COUNTED = ["b_frames.avi", "raw.h264", "negative.mkv", "joined.ts"]


def decode(
    path: Path, facts: VideoFacts, index: PacketIndex, wanted: Sequence[int]
) -> tuple[dict[int, str], DecodeStats]:
    """The MD5 of the wanted pictures, decoded in small segments."""
    found: dict[int, str] = {}
    stats = DecodeStats()
    for segment in plan_segments(index, wanted, facts=facts, max_cost_s=0.02):
        window = index.window(segment.start_row, segment.stop_row)
        source = Source(path, facts.stream_index, window, max_pixels=10**7, n_threads=1)
        for decoded in decode_wanted(source, segment.targets, stats):
            found[decoded.decode_index] = samples_md5(decoded.frame)
    return found, stats


@pytest.mark.parametrize("name", SELECTIVE)
def test_selective_decoding_changes_neither_times_nor_pixels(name: str) -> None:
    path = clip(name)
    facts, index = probe_video(path)
    truth = true_frames(path)
    assert [TrueFrame(c.pts, t.md5) for c, t in zip(index.candidates(), truth, strict=True)] == truth
    for step in (1, 7, 25):
        wanted = list(range(0, len(truth), step))
        found, stats = decode(path, facts, index, wanted)
        assert found == {i: truth[i].md5 for i in wanted}
        assert not stats.has_fallen_back
        assert not stats.n_errors


@pytest.mark.parametrize("name", COUNTED)
def test_pictures_without_usable_times_are_found_by_counting(name: str) -> None:
    path = clip(name)
    facts, index = probe_video(path)
    truth = true_frames(path)
    assert facts.details["time_source"] == "ordinal"
    assert facts.n_frames == len(truth)
    wanted = list(range(0, len(truth), 7))
    found, _ = decode(path, facts, index, wanted)
    assert found == {i: truth[i].md5 for i in wanted}


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4"])
def test_real_footage(name: str) -> None:
    path = real_clip(name)
    facts, index = probe_video(path)
    truth = true_frames(path)
    assert [c.pts for c in index.candidates()] == [t.pts for t in truth]
    wanted = list(range(0, len(truth), 25))
    found, _ = decode(path, facts, index, wanted)
    assert found == {i: truth[i].md5 for i in wanted}


@pytest.mark.parametrize("name", SOUGHT)
def test_seeking_over_what_is_not_needed_changes_nothing(name: str) -> None:
    path = clip(name)
    facts, index = probe_video(path)
    truth = true_frames(path)
    wanted = list(range(3, len(truth), 31))
    source = Source(path, facts.stream_index, index, max_pixels=10**7, n_threads=1, seek_over_bytes=0)
    stats = DecodeStats()
    found = {d.decode_index: samples_md5(d.frame) for d in decode_wanted(source, wanted, stats)}
    assert found == {i: truth[i].md5 for i in wanted}
    assert not stats.has_fallen_back


def test_threads_change_nothing() -> None:
    path = clip("pyramid.mkv")
    facts, index = probe_video(path)
    truth = true_frames(path)
    source = Source(path, facts.stream_index, index, max_pixels=10**7, n_threads=4)
    decoded = list(decode_wanted(source, range(0, 120, 11), DecodeStats()))
    assert {d.decode_index: samples_md5(d.frame) for d in decoded} == {
        i: truth[i].md5 for i in range(0, 120, 11)
    }


def test_few_packets_are_fed_where_groups_are_short() -> None:
    path = clip("h264.mp4")
    facts, index = probe_video(path)
    _, stats = decode(path, facts, index, [0, 30, 60, 90])
    assert stats.n_packets_fed == 4


def test_a_change_of_size_in_the_middle_gives_the_true_sizes() -> None:
    path = clip("size_change.ts")
    facts, index = probe_video(path)
    source = Source(path, facts.stream_index, index, max_pixels=10**7, n_threads=1)
    decoded = list(decode_wanted(source, [0, 29, 30, 59], DecodeStats()))
    assert [(d.frame.width, d.frame.height) for d in decoded] == [(320, 240)] * 2 + [(640, 480)] * 2
