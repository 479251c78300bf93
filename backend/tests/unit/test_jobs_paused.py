"""A paused job: nothing of it begins, what runs stops soon, and it goes on where it stood."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import ConflictError, InputError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, JobState, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import queues
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from tests.support.jobs import KIND, JobSystem, attach, fail_with, job_system, succeed

on_both = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[JobSystem]:
    made = job_system(tmp_path)
    yield made
    made.ctx.sessions.close()


def run_until_stopped(progress: Progress) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.02)
        progress.check_cancelled()
    raise AssertionError("it was not told to stop")


def with_child(system: JobSystem) -> tuple[int, int]:
    """A job with a child, both with a chunk to do: their ids."""
    parent_id = system.submit(1)
    with system.ctx.sessions.write() as session:
        child_id = job_rows.open_child(session, job_rows.get(session, parent_id), "embed")
        chunk_rows.add(session, child_id, [NewChunk(KIND, Queue.SIGLIP, {}, 5)])
    return parent_id, child_id


@on_both
def test_nothing_of_a_paused_job_begins_until_it_is_resumed(system: JobSystem) -> None:
    job_id = system.submit(2)
    assert jobs.pause(system.ctx, job_id).state is JobState.PAUSED
    assert [system.run(chunk_id, succeed) for chunk_id in (1, 2)] == [None, None]
    assert jobs.resume(system.ctx, job_id).state is JobState.QUEUED
    assert [system.run(chunk_id, succeed) for chunk_id in (1, 2)] == [JobState.DONE] * 2
    assert system.job(job_id).state is JobState.DONE


def test_a_paused_job_is_announced_again_only_when_it_is_resumed(system: JobSystem) -> None:
    job_id = system.submit(2)
    jobs.pause(system.ctx, job_id)
    system.queue.hints.clear()
    jobs.reap(system.ctx)
    assert system.queue.hints == []
    jobs.resume(system.ctx, job_id)
    assert system.queue.hints == [1, 2]


@on_both
def test_the_hints_of_a_paused_job_leave_their_places_to_others(system: JobSystem) -> None:
    big = system.submit(40)
    small = system.submit(2)
    assert len(system.queue.hints) == 16
    system.queue.hints.clear()
    jobs.pause(system.ctx, big)
    assert system.queue.hints == [chunk.id for chunk in system.chunks(small)]


@on_both
def test_the_chunk_that_runs_stops_and_its_attempt_does_not_count(system: JobSystem) -> None:
    job_id = system.submit(1)

    def endless(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.pause(system.ctx, job_id)
        run_until_stopped(progress)
        return succeed(chunk, progress)

    system.run(1, fail_with(OSError("a glitch")))
    started_s = time.monotonic()
    assert system.run(1, endless) is JobState.QUEUED
    assert time.monotonic() - started_s < 10
    assert system.job(job_id).state is JobState.PAUSED
    assert system.chunks(job_id)[0].attempts == 1


def test_a_chunk_that_is_done_in_parts_keeps_what_it_has_done(system: JobSystem) -> None:
    job_id = system.submit(1, items=10)

    def in_parts(chunk: Chunk, progress: Progress) -> ChunkResult:
        return ChunkResult(Counts(done=4), is_unfinished=True)

    def paused(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.pause(system.ctx, job_id)
        run_until_stopped(progress)
        return succeed(chunk, progress)

    system.run(1, in_parts)
    system.run(1, paused)
    assert system.job(job_id).done == 4


def test_a_chunk_that_ends_before_it_hears_of_the_pause_is_kept(system: JobSystem) -> None:
    job_id = system.submit(2)

    def last_moment(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.pause(system.ctx, job_id)
        return succeed(chunk, progress)

    assert system.run(1, last_moment) is JobState.DONE
    job = system.job(job_id)
    assert (job.state, job.done) == (JobState.PAUSED, 10)
    assert jobs.resume(system.ctx, job_id).state is JobState.RUNNING


def test_a_job_whose_last_chunk_ends_amid_the_pause_is_done(system: JobSystem) -> None:
    job_id = system.submit(1)

    def last_moment(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.pause(system.ctx, job_id)
        return succeed(chunk, progress)

    system.run(1, last_moment)
    assert system.job(job_id).state is JobState.DONE


def test_a_pause_that_is_taken_back_at_once_stops_nothing(system: JobSystem) -> None:
    job_id = system.submit(1)

    def goes_on(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.pause(system.ctx, job_id)
        jobs.resume(system.ctx, job_id)
        progress.check_cancelled()
        return succeed(chunk, progress)

    assert system.run(1, goes_on) is JobState.DONE


def test_a_pause_is_seen_by_every_process(system: JobSystem, tmp_path: Path) -> None:
    job_id = system.submit(1)
    jobs.pause(system.ctx, job_id)
    another = attach(tmp_path)
    assert another.job(job_id).state is JobState.PAUSED
    assert another.run(1, succeed) is None
    another.ctx.sessions.close()


@on_both
def test_a_pause_covers_the_children_and_so_does_going_on(system: JobSystem) -> None:
    parent_id, child_id = with_child(system)
    jobs.pause(system.ctx, parent_id)
    assert system.job(child_id).state is JobState.PAUSED
    assert system.run(2, succeed) is None
    jobs.resume(system.ctx, parent_id)
    assert system.job(child_id).state is JobState.QUEUED


def test_a_child_can_be_paused_alone(system: JobSystem) -> None:
    parent_id, child_id = with_child(system)
    jobs.pause(system.ctx, child_id)
    assert system.job(parent_id).state is JobState.QUEUED
    assert system.job(child_id).state is JobState.PAUSED


@on_both
def test_a_child_of_a_paused_job_begins_paused(system: JobSystem) -> None:
    parent_id = system.submit(1)
    jobs.pause(system.ctx, parent_id)
    with system.ctx.sessions.write() as session:
        child_id = job_rows.open_child(session, job_rows.get(session, parent_id), "embed")
    assert system.job(child_id).state is JobState.PAUSED


@on_both
def test_cancel_ends_a_paused_job(system: JobSystem) -> None:
    job_id = system.submit(2)
    system.run(1, succeed)
    jobs.pause(system.ctx, job_id)
    job = jobs.cancel(system.ctx, job_id)
    assert (job.state, job.done) == (JobState.CANCELLED, 10)


def test_retry_lets_a_paused_job_go_on_and_does_again_what_failed(system: JobSystem) -> None:
    job_id = system.submit(2)
    system.run(1, fail_with(InputError("no")))
    jobs.pause(system.ctx, job_id)
    jobs.retry(system.ctx, job_id)
    assert [system.run(chunk_id, succeed) for chunk_id in (1, 2)] == [JobState.DONE] * 2


def test_pausing_twice_or_resuming_what_runs_changes_nothing(system: JobSystem) -> None:
    job_id = system.submit(1)
    assert jobs.resume(system.ctx, job_id).state is JobState.QUEUED
    jobs.pause(system.ctx, job_id)
    assert jobs.pause(system.ctx, job_id).state is JobState.PAUSED


@pytest.mark.parametrize("change", [jobs.pause, jobs.resume])
def test_a_job_that_has_ended_is_neither_paused_nor_resumed(system: JobSystem, change: object) -> None:
    job_id = system.submit(1)
    system.run(1, succeed)
    with pytest.raises(ConflictError, match="has ended: it is done") as refused:
        change(system.ctx, job_id)  # type: ignore[operator]
    assert refused.value.code == "job-ended"


def test_a_job_that_is_being_cancelled_is_not_paused(system: JobSystem) -> None:
    job_id = system.submit(1)

    def cancelled_then_paused(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.cancel(system.ctx, job_id)
        with pytest.raises(ConflictError, match="is being cancelled"):
            jobs.pause(system.ctx, job_id)
        return succeed(chunk, progress)

    assert system.run(1, cancelled_then_paused) is JobState.DONE


def test_a_lost_chunk_of_a_paused_job_waits_with_the_others(system: JobSystem) -> None:
    job_id = system.submit(1)
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 1, "worker-a", -1.0, 3) is not None
    jobs.pause(system.ctx, job_id)
    jobs.reap(system.ctx)
    assert system.chunks(job_id)[0].state is JobState.QUEUED
    assert system.job(job_id).state is JobState.PAUSED


@on_both
def test_the_load_of_a_queue_tells_paused_chunks_from_waiting_ones(system: JobSystem) -> None:
    system.submit(3)
    jobs.pause(system.ctx, system.submit(2))
    with system.ctx.sessions.read() as session:
        (load,) = [load for load in queues.loads(session) if load.queue == Queue.DEFAULT]
    assert load.chunks == {JobState.QUEUED: 3, JobState.PAUSED: 2}
    assert load.jobs == {JobState.QUEUED: 1, JobState.PAUSED: 1}
