"""Real workers that lack what they need take nothing, say what they wait for, and begin by themselves."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.bootstrap import prepare_home
from komadori.core.errors import DependencyError
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import jobs as job_rows
from komadori.services import embed, search
from tests.support import checkpoints, slow_embedder
from tests.support.app import seed_video
from tests.support.fake_hub import FakeHub
from tests.support.hub_models import store_at
from tests.support.workers import Installation, environment, installation, settings_for, wait_until

SIGLIP = "google/siglip2-base-patch16-224"
WAITING, LOADING, READY = WorkerState.WAITING, WorkerState.LOADING, WorkerState.READY


def seeded(system: Installation) -> int:
    """A video whose four frames wait for their vectors: the job."""
    seed_video(system.ctx, n_frames=4)
    with system.ctx.sessions.read() as session:
        (job,) = job_rows.live(session, embed.KIND)
    return job.id


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder by which loading the embedder of :func:`slow_system` is held up and let go."""
    monkeypatch.setenv("PYTHONPATH", slow_embedder.install(tmp_path / "packages"))
    gate = tmp_path / "gate"
    gate.mkdir()
    return gate


@pytest.fixture
def slow_system(tmp_path: Path, slow: Path) -> Iterator[Installation]:
    with installation(
        tmp_path / "home", embedder=f"slow:{slow}", chunk_time_limit_s=1, lease_s=1, max_attempts=1
    ) as running:
        yield running


def test_a_worker_without_its_model_takes_nothing_and_begins_once_it_is_there(tmp_path: Path) -> None:
    with FakeHub() as hub, installation(tmp_path / "home", embedder=SIGLIP, hub_url=hub.url) as system:
        hub.add_folder(SIGLIP, checkpoints.SIGLIP2)
        job_id = seeded(system)
        before = system.n_messages(Queue.SIGLIP)
        system.start(Queue.SIGLIP)
        waiting = system.wait_for_worker(Queue.SIGLIP, WAITING, "waiting for model:")
        assert "komadori models pull siglip2-base" in waiting.detail
        assert (system.n_messages(Queue.SIGLIP), system.attempts(job_id)) == (before, [0])
        assert system.job(job_id).started_s is None
        assert hub.requests == [], "fetching was not allowed"

        brought_s = time.time()
        store_at(system.settings.models_dir, hub).pull(SIGLIP)
        done = system.wait(job_id)
        assert (done.state, done.done, system.attempts(job_id)) == (JobState.DONE, 4, [1]), system.logs()
        assert done.started_s is not None
        assert done.started_s > brought_s
        assert [w.state for w in system.workers(Queue.SIGLIP)] == [READY]
        assert system.stop(Queue.SIGLIP) == [0]


def test_a_cold_start_costs_a_job_no_time_and_no_attempt(slow_system: Installation, slow: Path) -> None:
    """Loading takes longer than a chunk may run, and longer than a lease: with one attempt, too."""
    job_id = seeded(slow_system)
    slow_system.start(Queue.SIGLIP)
    slow_system.wait_for_worker(Queue.SIGLIP, LOADING)
    time.sleep(2.5)
    assert (slow_system.attempts(job_id), slow_system.job(job_id).started_s) == ([0], None)
    opened_s = time.time()
    (slow / "open").touch()
    done = slow_system.wait(job_id)
    assert (done.state, slow_system.attempts(job_id)) == (JobState.DONE, [1]), slow_system.logs()
    assert done.started_s is not None
    assert done.started_s >= opened_s


def test_a_model_that_cannot_be_loaded_fails_no_chunk(slow_system: Installation, slow: Path) -> None:
    (slow / "open").touch()
    (slow / "broken").write_text("The weights are damaged.")
    job_id = seeded(slow_system)
    slow_system.start(Queue.SIGLIP)
    slow_system.wait_for_worker(Queue.SIGLIP, WAITING, "waiting for model: The weights are damaged. Mend it.")
    with pytest.raises(DependencyError, match=r"The weights are damaged\. Mend it\.") as caught:
        search.by_text(slow_system.ctx, "red", 3, search.Scope())
    assert caught.value.code == "waiting-for-model"
    assert (slow_system.job(job_id).state, slow_system.attempts(job_id)) == (JobState.QUEUED, [0])

    (slow / "broken").unlink()
    done = slow_system.wait(job_id)
    assert (done.state, slow_system.attempts(job_id)) == (JobState.DONE, [1]), slow_system.logs()
    assert len(search.by_text(slow_system.ctx, "red", 3, search.Scope()).hits) == 3


def test_a_worker_that_cannot_load_its_model_ends_when_it_is_told(
    slow_system: Installation, slow: Path
) -> None:
    (slow / "open").touch()
    (slow / "broken").write_text("The weights are damaged.")
    slow_system.start(Queue.SIGLIP)
    slow_system.wait_for_worker(Queue.SIGLIP, WAITING)
    assert slow_system.stop(Queue.SIGLIP) == [0]


def test_a_waiting_worker_ends_well_and_is_forgotten(tmp_path: Path) -> None:
    heartbeat = tmp_path / "run" / "alive"
    with installation(tmp_path / "home", segmenter=str(tmp_path / "nothing"), heartbeat=heartbeat) as system:
        system.start(Queue.SAM3)
        waiting = system.wait_for_worker(Queue.SAM3, WAITING)
        assert str(tmp_path / "nothing") in waiting.detail
        first = heartbeat.stat().st_mtime_ns
        wait_until(lambda: heartbeat.stat().st_mtime_ns > first, 30, "second heartbeat")
        assert system.stop(Queue.SAM3) == [0]
        assert system.workers(Queue.SAM3) == []


def test_a_worker_waits_for_the_database_however_early_it_starts(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", broker_url="redis://127.0.0.1:9/0", decode_workers=1)
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "komadori.cli.main", "worker", "default"]
    with log.open("wb") as stream:
        worker = subprocess.Popen(command, env=environment(settings), stdout=stream, stderr=stream)
    try:
        wait_until(lambda: "waiting for the database: it has schema none" in log.read_text(), 60, "remark")
        prepare_home(settings)
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), 60, "Celery")
    finally:
        worker.terminate()
        assert worker.wait(60) == 0, log.read_text()


def test_the_heartbeat_goes_on_at_work_and_without_a_broker(tmp_path: Path) -> None:
    heartbeat = tmp_path / "alive"

    def beats() -> None:
        before = heartbeat.stat().st_mtime_ns
        wait_until(lambda: heartbeat.stat().st_mtime_ns > before, 60, "heartbeat")

    with installation(tmp_path / "home", heartbeat=heartbeat, decode_workers=1) as system:
        system.start(Queue.DEFAULT)
        wait_until(heartbeat.exists, 60, "first heartbeat")
        system.wait_for_worker(Queue.DEFAULT, READY)
        beats()
        system.kill_broker()
        time.sleep(6)  # the timer of the loop has run out
        beats()
        beats()
        system.start_broker()
        beats()
