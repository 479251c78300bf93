"""Hostile files through the real API, broker and workers, which are the same ones afterwards."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from komadori.api.app import create_app
from komadori.core.types import JobState, Queue, WorkerState
from tests.support.app import live_server
from tests.support.hostile import Hostile, World, corpus
from tests.support.hostile.base import good
from tests.support.workers import Installation, installation

VIDEOS = (
    "35% of h264.mkv",
    "60% of faststart.mp4",
    "middle of h264.ts",
    "400 flips in hevc.mp4",
    "40 flips in av1.mp4",
    "stts of 2^32 entries.mp4",
    "elements of unknown size.mkv",
    "sps of 65536 x 65536.h264",
    "png of 16000 x 16000.mkv",
    "10 million samples in a table.mp4",
    "times at 2^62.mkv",
    "900 tracks.mkv",
    "attachment out of the folder.mkv",
    "hls file list.mp4",
    "elsewhere by url.mov",
    "video and archive.mp4",
    "link to /proc/self/mem",
    "two\\nlines.mp4",
)
PICTURES = (
    "2% of a PNG",
    "png of 60000 x 60000",
    "jpeg of 7000 x 7000",
    "tiff that points at itself",
    "mode LA as PNG",
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("home"), decode_workers=1) as running:
        running.start(Queue.DEFAULT, Queue.SIGLIP)
        running.wait_for_worker(Queue.DEFAULT, WorkerState.READY)
        running.wait_for_worker(Queue.SIGLIP, WorkerState.READY)
        yield running


@pytest.fixture(scope="module")
def api(system: Installation) -> Iterator[httpx.Client]:
    with (
        live_server(create_app(system.settings, system.ctx)) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client,
    ):
        yield client


def named(names: tuple[str, ...], kind: str) -> list[Hostile]:
    found = {hostile.name: hostile for hostile in corpus() if hostile.kind == kind}
    return [found[name] for name in names]


def names_of_workers(system: Installation) -> set[str]:
    return {worker.name for queue in (Queue.DEFAULT, Queue.SIGLIP) for worker in system.workers(queue)}


def test_videos(system: Installation, api: httpx.Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(good("h264.ts"))
    before, added = names_of_workers(system), {}
    for number, hostile in enumerate(named(VIDEOS, "video")):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = hostile.make(World(folder, secret, 9))
        answer = api.post("/videos", json={"path": path, "sampler": "all_frames", "sampler_parameters": {}})
        assert answer.status_code == 202, answer.text
        added[hostile.name] = answer.json()["id"]

    for hostile in named(VIDEOS, "video"):
        job = system.wait(int(added[hostile.name]))
        assert job.state in (JobState.DONE, JobState.FAILED)
        chunks = api.get(f"/jobs/{job.id}").json()["chunks"]
        assert all(chunk["attempts"] == 1 for chunk in chunks), "what is bad stays bad"
        assert hostile.is_good is False or job.state == JobState.DONE, job.error
        if job.state == JobState.FAILED:
            assert "crashed" not in str(job.error)
    assert names_of_workers(system) == before, system.logs()
    assert not list((system.settings.home / "blobs" / ".scratch").glob("*"))


def test_pictures(system: Installation, api: httpx.Client, tmp_path: Path) -> None:
    before = names_of_workers(system)
    for hostile in named(PICTURES, "picture"):
        path = Path(hostile.make(World(tmp_path, tmp_path, 9)))
        answer = api.post("/searches/image", files={"file": path.read_bytes()})
        assert answer.status_code == (200 if hostile.is_good else answer.status_code)
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 422:
            assert answer.json()["code"] in ("unreadable-picture", "picture-too-large")
            assert answer.json()["hint"]
    assert names_of_workers(system) == before, system.logs()
