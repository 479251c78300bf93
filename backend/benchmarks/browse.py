"""Looking through 10,000 frames over HTTP: ``python benchmarks/browse.py``.

An API as a process of its own serves frames with annotations and thumbnails of usual size. Timed are
the frames as one answer of columns, with and without filters, and the thumbnails of as many frames in
packs of 48 and one by one, over six connections that stay open, as a browser has them. The result is
written to ``browse.json``.
"""

import http.client
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image, ImageFilter
from sqlalchemy import insert

from komadori.bootstrap import open_context, prepare_home
from komadori.core.types import VideoState
from komadori.db.repositories import projects, videos
from komadori.db.repositories.videos import NewVideo
from komadori.db.tables import AnnotationRow, FrameRow
from komadori.queueing.inline import InlineQueue
from komadori.settings import Settings

N_FRAMES = 10_000
N_VIDEOS = 20
N_PICTURES = 100
"""Different thumbnails; each is stored as the file of many frames."""

PACK = 48
CONNECTIONS = 6
REPEATS = 15


def main() -> None:
    """Run everything and write the JSON."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder, served(Path(folder)) as api:
        report: dict[str, Any] = {"tables": {query: measure_table(api, query) for query in TABLES}}
        packs = [f"/api/v1/thumbnails?ids={','.join(ids)}" for ids in _groups(PACK)]
        singles = [f"/api/v1/frames/{ids[0]}/thumbnail" for ids in _groups(1)]
        report["thumbnails"] = {
            "in_packs": measure_thumbnails(api, packs),
            "one_by_one": measure_thumbnails(api, singles, repeats=2),
        }
    report |= {
        "setting": {
            "frames": N_FRAMES,
            "annotations": 2 * N_FRAMES,
            "pack": PACK,
            "connections": CONNECTIONS,
        },
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


TABLES = ("", "project=default", "class_name=cat", "only=undecided", "class_name=cat&status=accepted")


@dataclass(frozen=True, slots=True)
class Api:
    """The process that answers; what it uses of a processor, a busy machine does not change."""

    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """What it has used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


def measure_table(api: Api, query: str) -> dict[str, float]:
    """Milliseconds until all rows are there, and how many bytes they are."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    times, content, before_s = [], b"", api.cpu_s()
    for _ in range(REPEATS):
        start = time.perf_counter()
        content = _get(connection, f"/api/v1/frames?limit={N_FRAMES}&{query}")
        times.append(1e3 * (time.perf_counter() - start))
    connection.close()
    return {
        "rows": len(json.loads(content)["ids"]),
        "bytes": len(content),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
        "cpu_ms": round(1e3 * (api.cpu_s() - before_s) / REPEATS, 1),
    }


def measure_thumbnails(api: Api, paths: Sequence[str], repeats: int = 5) -> dict[str, float]:
    """How many thumbnails a second come at best, and how many a second of the API's processor time."""
    before_s = api.cpu_s()
    best_s = min(_all_answered_s(api.port, paths) for _ in range(repeats))
    cpu_s = (api.cpu_s() - before_s) / repeats
    return {"a_second": round(N_FRAMES / best_s), "a_second_of_cpu": round(N_FRAMES / cpu_s)}


def _all_answered_s(port: int, paths: Sequence[str]) -> float:
    def fetch(part: Sequence[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for path in part:
            _get(connection, path)
        connection.close()

    start = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(fetch, [paths[first::CONNECTIONS] for first in range(CONNECTIONS)]))
    return time.perf_counter() - start


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content
    return content


def _groups(size: int) -> Iterator[list[str]]:
    ids = list(map(str, range(1, N_FRAMES + 1)))
    return (ids[start : start + size] for start in range(0, N_FRAMES, size))


@contextmanager
def served(home: Path) -> Iterator[Api]:
    """An API on a home with frames."""
    settings = Settings(_env_file=None, home=home, embedder="fake", segmenter="fake")
    prepare_home(settings)
    fill(settings)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {**os.environ, **settings.environment()}
    command = [sys.executable, "-m", "komadori.cli.main", "api", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        while not _answers(port):
            assert process.poll() is None, "the API did not start"
            time.sleep(0.05)
        yield Api(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def fill(settings: Settings) -> None:
    """Frames that were never decoded, a file for each thumbnail, and two annotations a frame."""
    ctx = open_context(settings, InlineQueue())
    rng = np.random.default_rng(1)
    pictures = [_picture(rng) for _ in range(N_PICTURES)]
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, projects.DEFAULT).id
        class_ids = list(projects.class_ids(session, project_id, ["cat", "dog", "owl"]).values())
        for video in range(N_VIDEOS):
            new = NewVideo(
                project_id, f"{video:064}", "v.mp4", "/v.mp4", 1, 1.0, 640, 360, {"stream_index": 0}
            )
            video_id = videos.find_or_add(session, new)
            videos.set_state(session, video_id, VideoState.READY)
            rows = [_frame(video_id, index) for index in range(N_FRAMES // N_VIDEOS)]
            session.execute(insert(FrameRow), rows)
            for row in rows:
                path = settings.home / "blobs" / row["thumbnail_key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pictures[int(rng.integers(N_PICTURES))])
        annotated = [_annotation(1 + n // 2, class_ids[n % 3], n % 5) for n in range(2 * N_FRAMES)]
        session.execute(insert(AnnotationRow), annotated)
    ctx.sessions.close()


def _picture(rng: np.random.Generator) -> bytes:
    """A thumbnail of a usual size in bytes: soft shapes and some grain."""
    shapes = Image.fromarray(rng.integers(0, 256, (14, 24, 3), np.uint8)).resize((384, 216))
    soft = np.asarray(shapes.filter(ImageFilter.GaussianBlur(3)), np.int16)
    grainy = np.clip(soft + rng.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grainy).save(file, "JPEG", quality=85)
    return file.getvalue()


def _frame(video_id: int, index: int) -> dict[str, Any]:
    name = f"{video_id:02}/{video_id:064}/0_{index}_{index * 512}_{'0' * 16}.jpg"
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index * 512,
        "time_base_num": 1,
        "time_base_den": 12_800,
        "width": 640,
        "height": 360,
        "image_key": f"frames/{name}",
        "thumbnail_key": f"thumbnails/{name}",
        "image_sha256": "0" * 64,
        "perceptual_hash": "0" * 16,
        "mean_colour": index,
        "is_key": False,
        "is_suspect": False,
        "transform": {"encoder": {"quality": 90}},
    }


def _annotation(frame_id: int, class_id: int, number: int) -> dict[str, Any]:
    return {
        "frame_id": frame_id,
        "class_id": class_id,
        "x0": 5.0,
        "y0": 3.0,
        "x1": 60.0,
        "y1": 30.0,
        "source": "model",
        "status": ("proposed", "accepted", "rejected", "accepted", "accepted")[number],
        "revision": 1,
        "created_s": 0.0,
    }


if __name__ == "__main__":
    main()
