"""Proxies: frame for frame the video, made in slices that go on where they stopped, and gone with it."""

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from komadori.core.errors import MediaError
from komadori.core.types import Job, JobState
from komadori.media import proxy as media_proxy
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import probe_video
from komadori.services import delete, jobs, playback, proxy
from tests.support.clips import clip, ffmpeg, true_frames
from tests.support.pipeline import Pipeline, pipeline, sampling


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path / "home") as made:
        yield made


def add(system: Pipeline, name: str, project: str = "default") -> int:
    return int(system.add(clip(name), sampling("keyframes"), project).result["video_id"])


def make(system: Pipeline, video_id: int) -> Job:
    return system.job(proxy.request(system.ctx, video_id).id)


def stored(system: Pipeline) -> list[str]:
    """The proxies and their parts, each without the name of its video."""
    folder = system.ctx.home / "blobs" / "proxies"
    return sorted(path.name.partition(".")[2] for path in folder.rglob("*.*")) if folder.is_dir() else []


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part be one group of pictures."""
    monkeypatch.setattr(media_proxy, "_PART_COST_S", 0.001)


@pytest.mark.parametrize(
    ("name", "n_frames"),
    [("interlaced.mpg", 50), ("joined.ts", 240), ("truncated.mp4", 73), ("pq.mp4", 5)],
)
def test_a_proxy_has_every_frame_once_at_its_time(system: Pipeline, name: str, n_frames: int) -> None:
    video_id = add(system, name)

    job = make(system, video_id)

    assert (job.state, job.done, job.total) == (JobState.DONE, n_frames, n_frames)
    assert job.result["n_repeated"] == (1 if name == "truncated.mp4" else 0)
    found = playback.media_file(system.ctx, video_id, "proxy")
    index = PacketIndex.from_bytes(system.ctx.blobs.get(f"indexes/{found.tag[:2]}/{found.tag[:64]}.idx"))
    shown = [frame.pts for frame in true_frames(found.path)]
    assert shown == media_proxy.proxy_pts(index).tolist()
    times = np.frombuffer(playback.media_times(system.ctx, video_id, "proxy"), "<f8")
    np.testing.assert_allclose(times, np.array(shown) * float(media_proxy.proxy_time_base(index)), atol=5e-7)


def test_packets_that_browsers_play_are_copied(system: Pipeline) -> None:
    video_id = add(system, "h264.ts")
    assert make(system, video_id).state is JobState.DONE
    assert playback.look(system.ctx, video_id)[1].kind == "proxy"

    copied = playback.media_file(system.ctx, video_id, "proxy").path

    assert [f.md5 for f in true_frames(copied)] == [f.md5 for f in true_frames(clip("h264.ts"))]


def test_an_encoded_proxy_is_upright_and_looks_like_its_video(system: Pipeline) -> None:
    video_id = add(system, "mirrored_90.mp4")
    make(system, video_id)

    made = playback.media_file(system.ctx, video_id, "proxy").path

    difference = np.abs(first_picture(made) - first_picture(clip("mirrored_90.mp4")))
    assert first_picture(made).shape == (320, 240, 3)
    assert difference.mean() < 6


def first_picture(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """The first frame as ffmpeg shows it: upright."""
    size = imageio_ffmpeg.read_frames(str(path)).__next__()["size"]
    raw = ffmpeg("-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout
    return np.frombuffer(raw, np.uint8).reshape(size[1], size[0], 3).astype(float)


def test_it_is_made_in_slices_and_goes_on_where_it_stopped(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    video_id = add(system, "hevc_closed.mkv")
    system.hold()
    first = proxy.request(system.ctx, video_id)
    system.run_waiting(first.id)
    assert (system.job(first.id).state, system.job(first.id).done) == (JobState.RUNNING, 30)
    assert proxy.request(system.ctx, video_id).id == first.id
    assert playback.look(system.ctx, video_id)[1].job_id == first.id
    jobs.cancel(system.ctx, first.id)
    assert stored(system) == ["0.part"]

    again = proxy.request(system.ctx, video_id)
    system.run_waiting(again.id)

    assert (again.id > first.id, system.job(again.id).done) == (True, 60)
    assert stored(system) == ["0.part", "1.part"]
    for _ in range(2):
        system.run_waiting(again.id)
    assert system.job(again.id).state is JobState.DONE
    assert stored(system) == ["mp4"]


def test_a_proxy_goes_with_the_last_video_of_its_bytes(system: Pipeline) -> None:
    first, second = add(system, "h264.ts"), add(system, "h264.ts", "other")
    sha256 = system.videos()[0].sha256
    for name in (".mp4", ".0.part", ".1.part"):
        system.ctx.blobs.put(f"proxies/{sha256[:2]}/{sha256}{name}", b"pictures")

    delete.request(system.ctx, first)
    assert stored(system) == ["0.part", "1.part", "mp4"]
    delete.request(system.ctx, second)
    assert stored(system) == []


def test_a_copy_with_other_frames_is_refused(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.ts"))
    short = index.window(0, 60)

    with pytest.raises(MediaError, match="has changed") as refused:
        media_proxy.copy_video(clip("h264.ts"), facts, short, tmp_path / "proxy.mp4")

    assert refused.value.code == "source-changed"


def test_parts_that_are_not_the_whole_are_refused(tmp_path: Path) -> None:
    facts, index = probe_video(clip("hevc_closed.mkv"))
    part = tmp_path / "parts" / "0.part"
    part.parent.mkdir()
    media_proxy.encode_part(clip("hevc_closed.mkv"), facts, index, media_proxy.Part(0, 30), part)

    with pytest.raises(MediaError, match="120 frames, each at its time, got 30; frame 30") as refused:
        media_proxy.join_parts([part], index, tmp_path / "proxy.mp4")

    assert refused.value.code == media_proxy.MISMATCH
