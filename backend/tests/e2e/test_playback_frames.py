"""A real browser shows, at the times that the API tells, the frames with their burnt-in numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from tests.support.app import inline_system, live_server
from tests.support.clips import ffmpeg
from tests.support.numbered import true_numbers, write_numbered
from tests.support.player_page import Player, player

pytestmark = pytest.mark.browser

_N_FRAMES = 60
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "24", "-bf", "3"]
_VFR = ["-vf", "select='not(mod(n*n,7))+lt(mod(n,13),5)'", "-fps_mode", "vfr", "-enc_time_base", "1/90000"]
_REALTIME = ["-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"]
_ENCODED: dict[str, Sequence[str]] = {
    "cfr.mp4": _X264,
    "vfr.mp4": [*_VFR, *_X264],
    "narrow_pixels.mp4": ["-vf", "setsar=1/2", *_X264],
    "vp9.webm": ["-c:v", "libvpx-vp9", *_REALTIME],
    "vp8.webm": ["-c:v", "libvpx", *_REALTIME],
    "av1.mp4": ["-c:v", "libsvtav1", "-preset", "10", "-crf", "10", "-pix_fmt", "yuv420p"],
    "hevc.mp4": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"],
    "interlaced.mpg": ["-vf", "setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2"],
    "b_frames.avi": ["-c:v", "mpeg4", "-bf", "2", "-q:v", "2"],
    "hevc_vfr.mkv": [*_VFR, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"],
}
_COPIED: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "edit_list.mp4": (["-ss", "0.7"], []),
    "delayed.mp4": (["-itsoffset", "2.5"], []),
    "turned.mp4": (["-display_rotation", "90"], []),
    "upside_down.mov": (["-display_rotation", "180"], []),
    "sound.mp4": ([], ["-f", "lavfi", "-i", "sine=d=2", "-map", "0", "-map", "1", "-c:a", "aac"]),
    "h264.mkv": ([], []),
    "h264.ts": ([], []),
    "fragmented.mp4": ([], ["-movflags", "frag_keyframe+empty_moov"]),
    "late.mp4": ([], ["-use_editlist", "0"]),
    "mirrored.mp4": (["-display_hflip"], []),
    "mirrored_90.mp4": (["-display_rotation", "90", "-display_hflip"], []),
}
"""Made of ``cfr.mp4``: what ffmpeg is told before and after it."""

_SOURCES = [
    "cfr.mp4", "vfr.mp4", "narrow_pixels.mp4", "vp9.webm", "vp8.webm", "av1.mp4", "edit_list.mp4",
    "turned.mp4", "upside_down.mov", "sound.mp4",
]  # fmt: skip
_PROXIES = [
    "hevc.mp4", "interlaced.mpg", "b_frames.avi", "hevc_vfr.mkv", "h264.mkv", "h264.ts", "fragmented.mp4",
    "late.mp4", "delayed.mp4", "mirrored.mp4", "mirrored_90.mp4",
]  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with inline_system(tmp_path_factory.mktemp("home")) as system, live_server(system.app) as url:
        yield url


@pytest.fixture
def shown(browser: Browser, server: str) -> Iterator[Player]:
    with player(browser, server) as made:
        yield made


def made(clips: Path, name: str) -> Path:
    """The clip of that name."""
    path = clips / name
    if path.exists():
        return path
    if name in _ENCODED:
        write_numbered(path, _N_FRAMES, _ENCODED[name])
    else:
        before, after = _COPIED[name]
        inputs = [*before, "-i", str(made(clips, "cfr.mp4"))]
        ffmpeg(*inputs, *after, "-c:v", "copy", str(path))
    return path


class Video:
    """A clip that was added to a server, as a page sees it; of what is not played a proxy is made."""

    def __init__(self, server: str, path: Path) -> None:
        with httpx.Client(base_url=f"{server}/api/v1", timeout=60) as client:
            body = {"path": str(path), "sampler": "keyframes", "sampler_parameters": {}}
            job = client.post("/videos", json=body).json()
            result = client.get(f"/jobs/{job['id']}").json()["result"]
            address = f"/videos/{result['video_id']}"
            if client.get(f"{address}/playback").json()["kind"] == "none":
                client.post(f"{address}/proxies").raise_for_status()
            found = client.get(f"{address}/playback").json()
            self.kind, self.url = found["kind"], found["url"]
            times = client.get(f"{address}/times", params={"v": self.kind}).content
        self.times: NDArray[np.float64] = np.frombuffer(times, "<f8")
        self.size_wh = (int(found["width"]), int(found["height"]))
        self.numbers = true_numbers(path, self.size_wh)


def middles(times: NDArray[np.float64]) -> list[float]:
    """Where to seek for each frame."""
    return [*((times[:-1] + times[1:]) / 2).tolist(), float(times[-1]) + 0.01]


@pytest.mark.parametrize("name", [*_SOURCES, *_PROXIES])
def test_a_seek_to_the_middle_of_each_frame_shows_it(
    server: str, clips: Path, shown: Player, name: str
) -> None:
    video = Video(server, made(clips, name))
    times = video.times
    assert video.kind == ("source" if name in _SOURCES else "proxy")
    first = shown.load(video.url, video.size_wh)

    # From the end: the first frame is shown already, and what does not change is not said again.
    seen = shown.visit(middles(times)[::-1])[::-1]

    assert [number for _, number in seen] == video.numbers
    assert [time for time, _ in seen] == pytest.approx(times.tolist(), abs=2e-6)
    assert first[1] == video.numbers[0]


@pytest.mark.parametrize("name", ["vfr.mp4", "hevc_vfr.mkv"])
def test_what_plays_is_the_frame_of_its_media_time(
    server: str, clips: Path, shown: Player, name: str
) -> None:
    video = Video(server, made(clips, name))
    times = video.times
    shown.load(video.url, video.size_wh)

    seen = shown.play()

    assert len(seen) > len(times) / 4
    nearest = [int(np.abs(times - time).argmin()) for time, _ in seen]
    assert [number for _, number in seen] == [video.numbers[place] for place in nearest]
    assert max(abs(times[place] - time) for place, (time, _) in zip(nearest, seen, strict=True)) < 2e-6
