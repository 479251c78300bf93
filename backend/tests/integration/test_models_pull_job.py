"""A download as a job: one for each model, in slices, kept whatever ends it, with a reason when it fails."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from komadori.core.errors import InputError, ModelError
from komadori.core.types import Job, JobState
from komadori.db.repositories import chunks as chunk_rows
from komadori.ml.checkpoints import ModelStore
from komadori.ml.download import locked
from komadori.services import jobs, models
from komadori.worker.waiting import Provision
from tests.support.fake_hub import FakeHub
from tests.support.hub_models import FILES, MODEL, WEIGHTS, store_at
from tests.support.jobs import JobSystem, job_system

LONG = 3600.0
BIG = {**FILES, "model.safetensors": WEIGHTS * 6}
"""3.6 MB: at 4 MB/s it takes about a second."""

N_MIB = 4


@dataclass
class Downloads:
    """A system without workers; the test runs the chunk of the download itself."""

    system: JobSystem
    hub: FakeHub
    store: ModelStore

    def run(self, job: Job, *, slice_s: float = LONG, store: ModelStore | None = None) -> JobState | None:
        (chunk,) = self.system.chunks(job.id)
        used = store or self.store
        return jobs.run_chunk(
            self.system.ctx,
            chunk.id,
            {models.KIND: lambda c, p: models.run_pull(self.system.ctx, used, c, p, slice_s=slice_s)},
            "worker-a",
        )

    def attempts(self, job: Job) -> int:
        return self.system.chunks(job.id)[0].attempts

    def provision(self, *, may_pull: bool = True, store: ModelStore | None = None) -> Provision:
        return Provision(self.system.ctx, store or self.store, MODEL, may_pull, now_s=lambda: self.clock_s)

    clock_s: float = 0.0


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    with FakeHub() as hub:
        hub.add(MODEL, BIG)
        yield Downloads(job_system(tmp_path / "home"), hub, store_at(tmp_path / "models", hub))


def test_whoever_asks_for_a_model_that_is_being_fetched_gets_the_same_job(downloads: Downloads) -> None:
    ctx = downloads.system.ctx
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(models.request_pull(ctx, MODEL).id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    job = downloads.system.job(found[0])
    assert models.request_pull(ctx, MODEL, update=True).id != job.id, "it asks for something else"
    assert downloads.run(job) == JobState.DONE
    assert models.request_pull(ctx, MODEL).id not in {job.id, job.id + 1}


def test_names_that_cannot_be_fetched_make_no_job(downloads: Downloads, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Expected the name of a model"):
        models.request_pull(downloads.system.ctx, "kingfisher")
    with pytest.raises(InputError, match="got the folder"):
        models.request_pull(downloads.system.ctx, str(tmp_path))
    assert models.open_pulls(downloads.system.ctx) == {}


def test_a_download_counts_mebibytes_and_says_what_it_brought(downloads: Downloads) -> None:
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert models.open_pulls(downloads.system.ctx) == {MODEL: job}
    assert downloads.run(job) == JobState.DONE
    done = downloads.system.job(job.id)
    assert (done.total, done.done, done.state) == (N_MIB, N_MIB, JobState.DONE)
    commit = downloads.hub.repositories[MODEL].commit
    assert done.result == {
        "model": f"{MODEL}@{commit}",
        "folder": str(downloads.store.resolve(MODEL).directory),
    }


def test_a_long_download_is_done_in_slices_that_cost_no_attempt(downloads: Downloads) -> None:
    downloads.hub.faults.bytes_per_s = 4e6
    job = models.request_pull(downloads.system.ctx, MODEL)
    slices = 1
    done_mib = 0
    while downloads.run(job, slice_s=0.2) == JobState.QUEUED:
        slices += 1
        now = downloads.system.job(job.id)
        assert (downloads.attempts(job), now.state) == (0, JobState.RUNNING)
        assert now.done >= done_mib, "what is done stays counted"
        done_mib = now.done
    assert slices > 3, "more often than a chunk may be started"
    assert downloads.system.job(job.id).state == JobState.DONE
    ranges = [request.range for request in downloads.hub.downloads("model.safetensors")]
    assert ranges[0] is None
    assert all(r is not None and r.startswith("bytes=") for r in ranges[1:])
    assert downloads.hub.bytes_served["model.safetensors"] < 1.5 * len(BIG["model.safetensors"])


def test_a_download_that_another_process_does_lets_others_have_the_worker(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_LOCK_PATIENCE_S", 0.1)
    job = models.request_pull(downloads.system.ctx, MODEL)
    lock = downloads.store.root / "acme--kingfisher" / ".lock"
    lock.parent.mkdir(parents=True)
    with locked(lock, lambda: None):
        assert downloads.run(job) == JobState.QUEUED
    assert (downloads.attempts(job), downloads.hub.requests) == (0, [])
    assert downloads.run(job) == JobState.DONE


def test_cancelling_keeps_what_was_fetched_and_a_retry_goes_on(downloads: Downloads) -> None:
    downloads.hub.faults.bytes_per_s = 1e6
    ctx = downloads.system.ctx
    job = models.request_pull(ctx, MODEL)
    running = threading.Thread(target=lambda: downloads.run(job))
    running.start()
    while downloads.hub.bytes_served["model.safetensors"] < 1_000_000:
        assert running.is_alive()
    jobs.cancel(ctx, job.id)
    running.join()
    assert downloads.system.job(job.id).state == JobState.CANCELLED
    assert f"jobs retry {job.id}" in str(downloads.provision().lack()), (
        "nobody fetches against a person's will"
    )
    assert downloads.system.job(job.id).state == JobState.CANCELLED

    downloads.hub.faults.bytes_per_s = None
    jobs.retry(ctx, job.id)
    assert downloads.run(job) == JobState.DONE
    resumed = downloads.hub.downloads("model.safetensors")[-1].range
    assert resumed is not None
    assert int(resumed.removeprefix("bytes=").removesuffix("-")) >= 900_000


def test_a_network_that_is_away_is_tried_again(downloads: Downloads, tmp_path: Path) -> None:
    away = ModelStore(tmp_path / "models", endpoint="http://127.0.0.1:9")
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert downloads.run(job, store=away) == JobState.QUEUED
    assert downloads.attempts(job) == 1
    assert downloads.run(job) == JobState.DONE


def test_a_full_disk_ends_the_job_at_once(downloads: Downloads, tmp_path: Path) -> None:
    full = ModelStore(tmp_path / "models", endpoint=downloads.hub.url, free_bytes=lambda _folder: 1000)
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert downloads.run(job, store=full) == JobState.FAILED
    failed = downloads.system.job(job.id)
    assert "GB free" in str(failed.error)
    assert "KOMADORI_MODELS" in str(failed.error)
    assert (downloads.attempts(job), failed.failed) == (1, failed.total)


def test_a_wrong_checksum_ends_the_job_at_once(downloads: Downloads) -> None:
    downloads.hub.faults.flipped.add("model.safetensors")
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert downloads.run(job) == JobState.FAILED
    assert "checksum" in str(downloads.system.job(job.id).error)
    assert downloads.attempts(job) == 1


def test_a_waiting_worker_fetches_once_and_tries_again_after_a_long_pause(downloads: Downloads) -> None:
    downloads.hub.faults.flipped.add("model.safetensors")
    provision = downloads.provision()
    assert "is to be fetched, job 1" in str(provision.lack())
    job = downloads.system.job(1)
    assert downloads.run(job) == JobState.FAILED
    assert "checksum" in str(provision.lack())
    assert f"jobs retry {job.id}" in str(provision.lack())
    assert downloads.system.job(job.id).state == JobState.FAILED, "it does not hammer"
    downloads.clock_s = 600.0
    assert "is to be fetched" in str(provision.lack())
    assert downloads.system.job(job.id).state == JobState.QUEUED

    downloads.hub.faults.flipped.clear()
    assert downloads.run(job) == JobState.DONE
    assert provision.lack() is None


def test_a_worker_that_starts_tries_a_failed_download_again(downloads: Downloads) -> None:
    """That is how a token comes in."""
    downloads.hub.faults.flipped.add("model.safetensors")
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert downloads.run(job) == JobState.FAILED
    assert "is to be fetched, job 1" in str(downloads.provision().lack())


def test_the_detail_counts_while_it_is_fetched(downloads: Downloads) -> None:
    job = models.request_pull(downloads.system.ctx, MODEL)
    ctx = downloads.system.ctx
    with ctx.sessions.write() as session:
        chunk = chunk_rows.claim(session, downloads.system.chunks(job.id)[0].id, "worker-a", 60, 3)
        assert chunk is not None
        chunk_rows.set_total(session, chunk, 3910)
        chunk_rows.renew(session, chunk.id, "worker-a", 60, 1681)
    assert downloads.provision().lack() == f"43% of 4.1 GB, job {job.id}"


def test_where_nothing_may_be_fetched_the_remedy_is_another(downloads: Downloads, tmp_path: Path) -> None:
    assert "Run `komadori models pull acme/kingfisher`" in str(downloads.provision(may_pull=False).lack())
    offline = ModelStore(tmp_path / "models", is_offline=True)
    lack = str(downloads.provision(may_pull=False, store=offline).lack())
    assert "the network is shut" in lack
    assert "Unset KOMADORI_OFFLINE and run `komadori models pull acme/kingfisher`" in lack
    assert f"copy the folder {tmp_path / 'models' / 'acme--kingfisher'} from a machine that has it" in lack
    assert downloads.hub.requests == []
    assert models.open_pulls(downloads.system.ctx) == {}


def test_a_model_that_was_fetched_into_another_folder_is_said_to_be_there(
    downloads: Downloads, tmp_path: Path
) -> None:
    job = models.request_pull(downloads.system.ctx, MODEL)
    assert downloads.run(job) == JobState.DONE
    provision = downloads.provision(store=store_at(tmp_path / "elsewhere", downloads.hub))
    assert "job 2" in str(provision.lack())
    assert downloads.run(downloads.system.job(2)) == JobState.DONE
    assert "share one KOMADORI_MODELS" in str(provision.lack())
    assert models.open_pulls(downloads.system.ctx) == {}
