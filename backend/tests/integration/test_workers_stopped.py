"""Real workers that sleep, are told to stop, or die over a picture: nothing is lost or done twice."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from komadori.core.types import Chunk, JobState, JsonDict, Queue, WorkerState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import projects, videos
from komadori.db.tables import ChunkRow
from komadori.services import annotate, ingest, jobs
from tests.support import gated_models
from tests.support.app import jpeg_of, seed_video
from tests.support.clips import ffmpeg
from tests.support.gated_models import Gate
from tests.support.workers import Installation, installation, wait_until

N_FRAMES = 6
SAMPLING: JsonDict = {"sampler": "every", "parameters": {"seconds": "0.5"}, "skip_near_duplicates": False}
GPU_QUEUES = (Queue.SIGLIP, Queue.SAM3)


@dataclass(frozen=True)
class Gated:
    """A system whose two models have a gate each, and a job for each, a frame a chunk."""

    system: Installation
    gates: Sequence[Gate]
    job_ids: Sequence[int]

    def chunks(self, job_id: int) -> list[Chunk]:
        with self.system.ctx.sessions.read() as session:
            return chunk_rows.of_job(session, job_id)

    def wait_until_held(self) -> None:
        wait_until(
            lambda: all(gate.has_stopped_one() for gate in self.gates),
            60,
            f"chunk at each gate: {self.system.logs()}",
        )


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", gated_models.install(tmp_path / "packages"))
    return tmp_path


@pytest.fixture
def gated(packages: Path) -> Iterator[Gated]:
    folders = {queue: packages / f"gate-{queue}" for queue in GPU_QUEUES}
    for folder in folders.values():
        folder.mkdir()
    with installation(
        packages / "home",
        embedder=f"gated:{folders[Queue.SIGLIP]}",
        segmenter=f"gated:{folders[Queue.SAM3]}",
        embed_chunk_frames=1,
        annotate_chunk_frames=1,
        decode_chunk_s=0.005,
        decode_workers=1,
    ) as system:
        seed_video(system.ctx, n_frames=N_FRAMES)
        annotate.request(system.ctx, ["red"], annotate.Targets())
        with system.ctx.sessions.read() as session:
            job_ids = [job.id for job in job_rows.page(session, limit=10)]
        gates = [Gate(folder) for folder in folders.values()]
        yield Gated(system, gates, job_ids)
        for gate in gates:
            gate.open()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s with a keyframe every third of a second."""
    path = tmp_path_factory.mktemp("clips") / "shapes.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=10")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", str(path))
    return path


def test_a_lid_that_was_closed_and_a_worker_that_is_told_to_stop(gated: Gated, clip: Path) -> None:
    """One story, because workers take long to start: sleep and wake up, stop amid a chunk, go on."""
    system = gated.system
    for gate in gated.gates:
        gate.close()
    system.start(*GPU_QUEUES)
    gated.wait_until_held()

    _sleep_for_an_hour(system)
    for job_id in gated.job_ids:
        [running] = [chunk for chunk in gated.chunks(job_id) if chunk.state is JobState.RUNNING]
        assert (running.attempts, running.deaths) == (1, 0)

    default_id = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING).id
    system.start(Queue.DEFAULT)
    system.wait_until_amid(default_id)
    stopping = system.terminate(Queue.DEFAULT, *GPU_QUEUES)
    for gate in gated.gates:
        gate.open()
    assert [process.wait(60) for process in stopping] == [0, 0, 0], system.logs()

    for job_id in gated.job_ids:
        states = [(chunk.state, chunk.attempts) for chunk in gated.chunks(job_id)]
        assert states.count((JobState.DONE, 1)) >= 1
        assert states.count((JobState.QUEUED, 0)) == len(states) - states.count((JobState.DONE, 1)) > 0
    assert JobState.RUNNING not in {chunk.state for chunk in gated.chunks(default_id)}

    system.start(Queue.DEFAULT, *GPU_QUEUES)
    for job_id in (*gated.job_ids, default_id):
        done = system.wait(job_id)
        assert (done.state, done.done, done.skipped) == (JobState.DONE, done.total, 0), system.logs()
        assert {(chunk.attempts, chunk.deaths) for chunk in gated.chunks(job_id)} == {(1, 0)}


def _sleep_for_an_hour(system: Installation) -> None:
    """All processes stand still; when they go on, the clock of the database is an hour further."""
    groups = [os.getpgid(pid) for queue in GPU_QUEUES for pid in system._child_pids(queue)]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    with system.ctx.sessions.write() as session:
        session.execute(
            update(ChunkRow)
            .where(ChunkRow.state == JobState.RUNNING)
            .values(lease_until_s=ChunkRow.lease_until_s - 3600)
        )
    for _ in range(3):  # the reaper is awake first
        jobs.reap(system.ctx)
    for group in groups:
        os.killpg(group, signal.SIGCONT)

    def are_renewed() -> bool:
        jobs.reap(system.ctx)
        with system.ctx.sessions.read() as session:
            return not any(held.is_expired for held in chunk_rows.held(session, 30.0))

    wait_until(are_renewed, 30, "renewed leases")


def test_the_picture_that_kills_its_worker_is_the_only_one_that_is_left_out(packages: Path) -> None:
    folder = packages / "gate"
    folder.mkdir()
    with installation(
        packages / "home", embedder=f"gated:{folder}", embed_chunk_frames=2, max_attempts=1
    ) as system:
        _, ids = seed_video(system.ctx, n_frames=4)
        with system.ctx.sessions.read() as session:
            (job,) = job_rows.page(session, limit=10)
            poison = videos.get_frame(session, ids[1])
        system.ctx.blobs.put(poison.image_key, jpeg_of(np.zeros((48, 64, 3), np.uint8)))
        system.start(Queue.SIGLIP)

        done = system.wait(job.id)

        assert (done.state, done.total, done.done, done.skipped, done.failed) == (JobState.DONE, 4, 3, 1, 0)
        with system.ctx.sessions.read() as session:
            [issue] = chunk_rows.issues(session, job.id)
        assert issue.item == f"frame {ids[1]}"
        assert issue.reason.startswith("It ended its worker once and was set aside.")
        system.wait_for_worker(Queue.SIGLIP, WorkerState.READY)
