"""An API whose broker, workers, disk or database are away: it says so, accepts what it can, and goes on."""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from komadori.api import writing
from komadori.api.app import create_app
from komadori.bootstrap import api_context, prepare_home
from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.db.repositories.chunks import NewChunk
from komadori.services import jobs
from komadori.settings import Settings
from tests.support.app import InlineSystem, inline_system, live_server, seed_video
from tests.support.joined import ApiProcess
from tests.support.workers import Installation, installation, wait_until

JOB_ACCEPTED_WITHIN_S = 4.0
READS = ("/api/v1/jobs", "/api/v1/videos", "/api/v1/system", "/metrics", "/healthz")


class Running:
    """A broker, an API and a worker for the queue siglip, each a process."""

    def __init__(self, parts: Installation, api: ApiProcess) -> None:
        self.parts = parts
        self.client = httpx.Client(base_url=api.url, timeout=60)

    def submit(self) -> str:
        """Ask for a job: its id, and it was accepted in time."""
        started_s = time.monotonic()
        answer = self.client.post("/api/v1/embeddings", json={})
        assert answer.status_code == 202, answer.text
        assert time.monotonic() - started_s < JOB_ACCEPTED_WITHIN_S
        return str(answer.json()["id"])

    def wait_done(self, job_id: str) -> None:
        """It begins by itself; nobody asks again."""
        address = f"/api/v1/jobs/{job_id}"
        wait_until(lambda: self.client.get(address).json()["state"] == "done", 60, f"end of job {job_id}")

    def lacks(self) -> dict[str, str]:
        """The codes of what is missing, by the part."""
        answer = self.client.get("/readyz")
        assert answer.status_code == 200, answer.text
        return {lack["part"]: lack["code"] for lack in answer.json()["lacks"]}

    def wait_lack(self, part: str, code: str | None) -> None:
        wait_until(lambda: self.lacks().get(part) == code, 60, f"{part} that is {code}: {self.lacks()}")

    def assert_reads_answer(self) -> None:
        for path in READS:
            started_s = time.monotonic()
            assert self.client.get(path).status_code == 200
            assert time.monotonic() - started_s < 2, path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with installation(tmp_path_factory.mktemp("installed")) as parts:
        api = ApiProcess(parts.settings)
        try:
            api.start()
            parts.start(Queue.SIGLIP)
            seed_video(parts.ctx)
            parts.wait_for_worker(Queue.SIGLIP, WorkerState.READY)
            running = Running(parts, api)
            with running.client:
                yield running
        finally:
            api.kill()


def test_with_a_paused_broker_jobs_are_accepted_and_begin_when_it_goes_on(running: Running) -> None:
    running.parts.pause_broker()
    try:
        job_ids = [running.submit() for _ in range(3)]
        running.wait_lack("broker", "broker-unreachable")
        running.assert_reads_answer()
    finally:
        running.parts.resume_broker()
    for job_id in job_ids:
        running.wait_done(job_id)
    running.wait_lack("broker", None)


def test_with_a_dead_broker_jobs_are_accepted_and_begin_with_the_next_one(running: Running) -> None:
    running.parts.kill_broker()
    try:
        job_id = running.submit()
        running.wait_lack("broker", "broker-unreachable")
        running.assert_reads_answer()
    finally:
        running.parts.start_broker()
    running.wait_done(job_id)


def test_without_a_worker_jobs_are_accepted_and_begin_with_the_next_one(running: Running) -> None:
    running.parts.stop(Queue.SIGLIP)
    running.wait_lack("worker siglip", "no-worker")
    job_id = running.submit()
    running.parts.start(Queue.SIGLIP)
    running.wait_done(job_id)
    running.wait_lack("worker siglip", None)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path) as system:
        yield system


def report(system: InlineSystem, queue: Queue, state: WorkerState, detail: str = "") -> None:
    with system.ctx.sessions.write() as session:
        workers.report(session, f"machine/{queue}/1", queue, state, detail)


def test_it_is_ready_when_nothing_is_missing(system: InlineSystem) -> None:
    for queue in Queue:
        report(system, queue, WorkerState.READY)
    assert system.client.get("/readyz").json() == {"status": "ok", "lacks": []}


def test_a_worker_that_waits_says_why_in_its_own_words(system: InlineSystem) -> None:
    report(system, Queue.SAM3, WorkerState.WAITING, "waiting for model: facebook/sam3 is gated.")
    answer = system.client.get("/readyz").json()
    (lack,) = [lack for lack in answer["lacks"] if lack["part"] == "worker sam3"]
    assert (answer["status"], lack["code"]) == ("degraded", "worker-not-ready")
    assert "facebook/sam3 is gated" in lack["detail"]


@pytest.mark.parametrize(
    ("free", "status", "code"), [(1_000_000_000, 200, "disk-nearly-full"), (10_000_000, 503, "disk-full")]
)
def test_a_disk_that_fills_is_told_and_a_full_one_takes_no_work(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch, free: int, status: int, code: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    answer = system.client.get("/readyz")
    assert answer.status_code == status
    assert answer.json()["lacks"][0]["code"] == code


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Another program writes to the database, and goes on."""
    with closing(sqlite3.connect(home / "komadori.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A served API that waits for its database for half a second only, with one job: its URL."""
    monkeypatch.setattr(writing, "PATIENCE_S", 0.5)
    settings = Settings(_env_file=None, home=tmp_path, embedder="fake", segmenter="fake")
    prepare_home(settings)
    with api_context(settings, patience_s=0.5) as ctx, live_server(create_app(settings, ctx)) as url:
        jobs.submit(ctx, "embed", 1, {}, [NewChunk("embed", Queue.SIGLIP, {}, 1)])
        yield url


def test_while_others_hold_the_database_writers_are_told_and_nobody_else_waits(
    impatient: str, tmp_path: Path
) -> None:
    events = f"{impatient.replace('http', 'ws', 1)}/api/v1/events"

    def write(_number: int) -> Any:
        return httpx.post(f"{impatient}/api/v1/embeddings", json={}, timeout=60)

    with held(tmp_path), ThreadPoolExecutor(60) as pool:
        writers = [pool.submit(write, number) for number in range(60)]
        while not all(writer.done() for writer in writers):
            started_s = time.monotonic()
            assert [httpx.get(f"{impatient}{path}").status_code for path in READS] == [200] * len(READS)
            with connect(events) as listener:
                assert json.loads(listener.recv(timeout=10))["job"]["id"] == "1"
            assert time.monotonic() - started_s < 10
        answers = [writer.result() for writer in writers]
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} <= {"database-locked", "database-busy"}
        wait_until(lambda: httpx.get(f"{impatient}/readyz").status_code == 503, 60, "readiness that is gone")
        assert httpx.get(f"{impatient}/readyz").json()["code"] == "database-locked"
    assert write(0).status_code == 202
    wait_until(lambda: httpx.get(f"{impatient}/readyz").status_code == 200, 60, "readiness that is back")


def test_no_more_than_a_few_requests_write_at_once(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PATIENCE_S", 0.05)
    system.app.state.writing.total_tokens = 1
    system.app.state.writing.acquire_on_behalf_of_nowait("somebody")
    answer = system.client.post("/api/v1/embeddings", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "database-busy")
    assert system.client.get("/api/v1/jobs").status_code == 200
