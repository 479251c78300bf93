"""What 100,000 queued chunks and full bulk work cost who uses the API: ``python benchmarks/load.py``.

Two installations, each with an API and a broker as processes and the same frames; in one of them
100,000 chunks wait. Every read is timed on both, one of each in turn, while a client of each listens
to events, so that a busy machine does not favour one of them. The bookkeeping of a chunk (claim,
lease, fenced commit, choice of the next hints) is timed in the same way.

Then the whole system with the demo models: one video is annotated, some are decoded, and the frames of
others, held back until then by a pause, are embedded, while new words are searched for. The result is
written to ``load.json``.
"""

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image
from websockets.sync.client import connect

from komadori.bootstrap import WorkerParts, open_context, prepare_home
from komadori.cli import embedded_broker
from komadori.cli.client import ApiClient
from komadori.cli.demo import models as demo_models
from komadori.cli.demo.system import running
from komadori.core.errors import KomadoriError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, JobState, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import projects, videos
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.db.repositories.videos import NewVideo
from komadori.demo_world.footage import write_footage
from komadori.demo_world.kinds import kinds
from komadori.demo_world.motion import random_shots
from komadori.queueing.inline import InlineQueue
from komadori.services import embed, jobs
from komadori.services.jobs import ChunkResult
from komadori.settings import Settings

N_QUEUED = 100_000
N_FRAMES = 300
N_READS = 100
N_CHUNKS = 100
N_SEARCHES = 40
BULK_FRAMES = 240
BULK_VIDEOS = 6
"""In the bulk load: as many frames of each are decoded and embedded, and those of one more annotated."""


@dataclass(frozen=True, slots=True)
class Served:
    """An installation whose API answers; ``job_id`` is its job with queued chunks."""

    settings: Settings
    client: httpx.Client
    job_id: int
    api: psutil.Process

    def cpu_ms(self) -> float:
        """What the API has used; a busy machine does not change that."""
        used = self.api.cpu_times()
        return 1e3 * float(used.user + used.system)


def main() -> None:
    """Run everything and write the JSON."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        report = {**measure_queued(Path(folder)), "searches": measure_searches(Path(folder))}
    report |= {
        "n_queued": N_QUEUED,
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def measure_queued(folder: Path) -> dict[str, Any]:
    """Milliseconds of reads and of bookkeeping beside one queued chunk, and beside very many."""
    with ExitStack() as stack:
        few = stack.enter_context(served(folder / "few", 1))
        many = stack.enter_context(served(folder / "many", N_QUEUED))
        for one in (few, many):
            events = f"ws://{one.client.base_url.netloc.decode()}/api/v1/events"
            stack.enter_context(connect(events, ping_interval=None))
        reads = {name: read_side_by_side(few, many, read) for name, read in READS.items()}
        return {"reads": reads, "bookkeeping_of_a_chunk": bookkeeping(few, many)}


def _get(path: str) -> Callable[[Served], object]:
    return lambda one: one.client.get(path.format(job=one.job_id)).raise_for_status()


def _search(one: Served) -> object:
    return one.client.post("/api/v1/searches", json={"like_frame_id": "1", "k": 20}).raise_for_status()


READS: dict[str, Callable[[Served], object]] = {
    **{
        path: _get(path)
        for path in (
            "/api/v1/jobs",
            "/api/v1/jobs/{job}",
            "/api/v1/jobs/{job}/chunks",
            "/api/v1/videos",
            "/api/v1/videos/1/frames",
            "/api/v1/system",
            "/metrics",
            "/readyz",
        )
    },
    "/api/v1/searches": _search,
}


def read_side_by_side(few: Served, many: Served, read: Callable[[Served], object]) -> dict[str, float]:
    """The times of a read on both, and the processor time of the APIs for each."""
    before = few.cpu_ms(), many.cpu_ms()
    times = side_by_side(few, many, read, N_READS)
    used = (few.cpu_ms() - before[0]) / N_READS, (many.cpu_ms() - before[1]) / N_READS
    return {**times, "few_cpu_ms": round(used[0], 2), "many_cpu_ms": round(used[1], 2)}


def side_by_side(few: Served, many: Served, act: Callable[[Served], object], n: int) -> dict[str, float]:
    """The times of an act on both, one of each in turn."""
    times: dict[str, list[float]] = {"few": [], "many": []}
    for _ in range(n):
        for name, one in (("few", few), ("many", many)):
            start = time.perf_counter()
            act(one)
            times[name].append(1e3 * (time.perf_counter() - start))
    quantiles = {f"{name}_{q}": quantile for name in times for q, quantile in _quantiles(times[name]).items()}
    return {**quantiles, "ratio_of_p95": round(quantiles["many_p95_ms"] / quantiles["few_p95_ms"], 2)}


def bookkeeping(few: Served, many: Served) -> dict[str, float]:
    """The same for a chunk without work; the one installation gets a job of as many as are run."""
    ctxs = {one.settings.home: open_context(one.settings, InlineQueue()) for one in (few, many)}
    waiting = {one.settings.home: _waiting_chunks(ctxs[one.settings.home]) for one in (few, many)}

    def run(one: Served) -> None:
        home = one.settings.home
        done = jobs.run_chunk(ctxs[home], next(waiting[home]), {"noop": _do_nothing}, "bench")
        assert done is JobState.DONE

    result = side_by_side(few, many, run, N_CHUNKS)
    for ctx in ctxs.values():
        ctx.sessions.close()
    return result


def measure_searches(folder: Path) -> dict[str, Any]:
    """Milliseconds of searches for new words: alone, and while everything else works."""
    names = [kind.name for kind in kinds()]
    clip = folder / "clip.mp4"
    write_footage(clip, 0, n_frames=BULK_FRAMES, shots=random_shots(0, n_shots=3, n_things=5))
    settings = demo_models.choose(demo_models.DemoModels.PACKAGED, Settings(_env_file=None)).settings
    with running(folder / "bulk", settings) as system:
        api = system.api
        first = _add(api, clip, "default")
        for number in range(BULK_VIDEOS):  # another project keeps frames of its own
            _add(api, clip, f"bulk {number}")
        _extract_and_hold(api, first)
        alone = [_search_ms(api, f"alone {number}") for number in range(20)]
        for job in api.jobs():
            if job.state == JobState.PAUSED:
                api.resume_job(job.id)
        for number in range(BULK_VIDEOS):
            _add(api, clip, f"more {number}")
        api.annotate(names[:6], {"video_id": str(api.job(first).result["video_id"])}, {})
        times, busy = [], []
        for number in range(N_SEARCHES):
            at_work = {job.kind for job in api.jobs() if job.state == JobState.RUNNING}
            busy.append({"embed", "annotate"} <= at_work)
            times.append(_search_ms(api, f"{names[number % len(names)]} number {number}"))
        frames_a_second = {job.kind: job.rate_per_s for job in api.jobs() if job.state == JobState.RUNNING}
        for job in api.jobs():
            if not job.state.is_terminal:
                api.cancel_job(job.id)
    return {
        "alone": _quantiles(alone),
        "under_full_load": {**_quantiles(times), "longest_ms": round(max(times), 1)},
        "n": N_SEARCHES,
        "share_while_embedding_and_annotating": round(statistics.mean(busy), 2),
        "frames_a_second": frames_a_second,
    }


def _quantiles(times: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
    }


@contextmanager
def served(home: Path, n_queued: int) -> Iterator[Served]:
    """A broker and an API on a home with embedded frames and a job of so many queued chunks."""
    settings = Settings(_env_file=None, home=home, embedder="fake", segmenter="fake")
    prepare_home(settings)
    job_id = _fill(settings, n_queued)
    data = home / "run" / "broker"
    embedded_broker.prepare(settings.broker_socket, data)
    command = embedded_broker.command(embedded_broker.find_server(), settings.broker_socket, data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {**os.environ, **settings.environment()}
    with ExitStack() as stack:
        for words in (command, [sys.executable, "-m", "komadori.cli.main", "api", "--port", port]):
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not _answers(client):
                time.sleep(0.05)
            yield Served(settings, client, job_id, psutil.Process(process.pid))


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def _fill(settings: Settings, n_queued: int) -> int:
    """Frames with vectors, and a job with queued chunks: its id."""
    queue = InlineQueue()
    ctx = open_context(settings, queue)
    parts = WorkerParts(settings, Queue.SIGLIP, ctx)
    parts.load()
    queue.run_chunk = lambda chunk_id: jobs.run_chunk(ctx, chunk_id, parts.work_by_kind(), "bench")
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "JPEG")
    ctx.blobs.put("frames/one.jpg", picture.getvalue())
    facts = {"container": "mp4", "codec": "h264", "rotation": 0, "stream_index": 0}
    facts |= {"time_base": "1/1", "start_pts": 0}
    with ctx.sessions.write() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
        new = NewVideo(project_id, "0" * 64, "a.mp4", "/nowhere/a.mp4", 1, float(N_FRAMES), 64, 48, facts)
        video_id = videos.find_or_add(session, new)
        videos.add_frames(session, [_frame(video_id, index) for index in range(N_FRAMES)])
    embed.request(ctx, project=projects.DEFAULT)
    queue.run_chunk = lambda _chunk_id: None
    chunks = [
        NewChunk("noop", Queue.SAM3, {"frame_ids": list(range(n, n + 64))}, 64) for n in range(n_queued)
    ]
    job_id = jobs.submit(ctx, "noop", project_id, {}, chunks).id
    ctx.sessions.close()
    return job_id


def _frame(video_id: int, index: int) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index,
        "time_base_num": 1,
        "time_base_den": 1,
        "width": 64,
        "height": 48,
        "image_key": "frames/one.jpg",
        "thumbnail_key": "frames/one.jpg",
        "image_sha256": "0" * 64,
        "perceptual_hash": "0" * 16,
        "is_key": True,
        "is_suspect": False,
        "transform": {},
    }


def _waiting_chunks(ctx: Any) -> Iterator[int]:
    """Ids of queued chunks; those of a new job come first, whose turn it is."""
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
    job_id = jobs.submit(ctx, "noop", project_id, {}, _chunks(N_CHUNKS)).id
    with ctx.sessions.read() as session:
        return iter([chunk.id for chunk in chunk_rows.of_job(session, job_id)])


def _chunks(n: int) -> list[NewChunk]:
    return [NewChunk("noop", Queue.SAM3, {"frame_ids": list(range(64))}, 64) for _ in range(n)]


def _do_nothing(chunk: Chunk, _progress: Progress) -> ChunkResult:
    return ChunkResult(Counts(done=chunk.total))


def _add(api: ApiClient, clip: Path, project: str) -> str:
    return api.add_video(
        clip, project=project, sampler="all_frames", sampler_parameters={}, skip_near_duplicates=False
    ).id


def _extract_and_hold(api: ApiClient, first: str) -> None:
    """Return when all frames are extracted and those of one video embedded; the other jobs are paused."""
    while True:
        live = [job for job in api.jobs() if not job.state.is_terminal]
        for job in live:
            if job.kind == "embed" and job.parent_id != first and job.state != JobState.PAUSED:
                with suppress(KomadoriError):  # it has just ended
                    api.pause_job(job.id)
        if all(job.state == JobState.PAUSED for job in live):
            return
        time.sleep(0.1)


def _search_ms(api: ApiClient, words: str) -> float:
    start = time.perf_counter()
    api.search(text=words, k=20, video_id=None, project="default")
    return 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
