"""The protocol of jobs and chunks on a real database: claim, lease, fence, reap, cancel, retry."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from komadori.core import process_names
from komadori.core.errors import InputError, NotFoundError, StorageError
from komadori.core.progress import Cancelled, Progress
from komadori.core.types import Chunk, ItemOutcome, JobState, Queue, WorkerState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import workers
from komadori.db.repositories.chunks import Counts, Issue, NewChunk
from komadori.db.tables import WorkerRow
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from tests.support.jobs import KIND, JobSystem, fail_with, job_system, succeed

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[JobSystem]:
    made = job_system(tmp_path)
    yield made
    made.ctx.sessions.close()


def test_a_job_without_chunks_is_done_at_once(system: JobSystem) -> None:
    assert system.job(system.submit(0)).state is JobState.DONE


def test_a_new_job_is_announced_and_counts_its_items(system: JobSystem) -> None:
    job = system.job(system.submit(3, items=10))
    assert (job.state, job.total, job.done) == (JobState.QUEUED, 30, 0)
    assert system.queue.hints == [1, 2, 3]


def test_a_job_is_done_when_its_last_chunk_is(system: JobSystem) -> None:
    job_id = system.submit(2)
    assert system.run(1, succeed) is JobState.DONE
    assert system.job(job_id).state is JobState.RUNNING
    assert system.run(2, succeed) is JobState.DONE
    job = system.job(job_id)
    assert (job.state, job.done) == (JobState.DONE, 20)
    assert job.started_s is not None
    assert job.finished_s is not None


def test_a_doubled_hint_finds_nothing_to_claim(system: JobSystem) -> None:
    job_id = system.submit(1)
    assert system.run(1, succeed) is JobState.DONE
    assert system.run(1, succeed) is None
    assert system.chunks(job_id)[0].attempts == 1


def test_only_one_of_many_workers_claims_a_chunk(system: JobSystem) -> None:
    job_id = system.submit(1)
    ran: list[int] = []
    barrier = threading.Barrier(8)

    def slow(chunk: Chunk, progress: Progress) -> ChunkResult:
        ran.append(chunk.id)
        time.sleep(0.1)
        return succeed(chunk, progress)

    def worker(name: str) -> None:
        barrier.wait()
        system.run(1, slow, owner=name)

    threads = [threading.Thread(target=worker, args=(f"worker-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]
    assert system.job(job_id).done == 10


def test_results_and_state_are_one_transaction(system: JobSystem) -> None:
    job_id = system.submit(1)

    def half_way(chunk: Chunk, progress: Progress) -> ChunkResult:
        def write(session: object) -> None:
            job_rows.set_result(session, job_id, left_behind=True)  # type: ignore[arg-type]
            raise StorageError("the disk is full")

        return ChunkResult(Counts(done=chunk.total), write=write)

    assert system.run(1, half_way) is JobState.QUEUED
    assert system.job(job_id).result == {}
    assert system.job(job_id).done == 0


def test_a_worker_that_lost_its_lease_commits_nothing(system: JobSystem) -> None:
    job_id = system.submit(1)

    def overtaken(chunk: Chunk, progress: Progress) -> ChunkResult:
        system.expire(chunk.id)
        jobs.reap(system.ctx)
        assert system.run(1, succeed, owner="worker-b") is JobState.DONE
        return ChunkResult(
            Counts(failed=chunk.total), [Issue("frame 1", ItemOutcome.FAILED, "must not be seen")]
        )

    assert system.run(1, overtaken, owner="worker-a") is None
    job = system.job(job_id)
    assert (job.state, job.done, job.failed) == (JobState.DONE, 10, 0)
    with system.ctx.sessions.read() as session:
        assert chunk_rows.issues(session, job_id) == []


def test_the_lease_is_renewed_while_work_goes_on(system: JobSystem) -> None:
    job_id = system.submit(1)

    def long(chunk: Chunk, progress: Progress) -> ChunkResult:
        progress.advance(4)
        assert chunk.lease_until_s is not None
        deadline = time.monotonic() + 30
        while (now := system.chunks(job_id)[0]).lease_until_s == chunk.lease_until_s:
            assert time.monotonic() < deadline, "the lease was not renewed"
            time.sleep(0.05)
        assert now.lease_until_s is not None
        assert now.lease_until_s > chunk.lease_until_s
        assert system.job(job_id).done == 4, "progress is written while the chunk runs"
        return succeed(chunk, progress)

    assert system.run(1, long) is JobState.DONE
    assert system.chunks(job_id)[0].attempts == 1


def test_a_bug_is_tried_again_and_then_fails_the_job_with_its_reason(system: JobSystem) -> None:
    job_id = system.submit(2)
    bug = fail_with(ZeroDivisionError("division by zero"))
    assert [system.run(1, bug) for _ in range(4)] == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED, None]
    assert system.run(2, succeed) is JobState.DONE
    job = system.job(job_id)
    assert (job.state, job.done, job.failed) == (JobState.FAILED, 10, 10)
    assert job.error == "ZeroDivisionError: division by zero"


def test_bad_input_is_not_tried_again(system: JobSystem) -> None:
    job_id = system.submit(1)
    state = system.run(1, fail_with(InputError("It is a text file.", hint="Give a video.")))
    assert state is JobState.FAILED
    assert system.job(job_id).error == "It is a text file. Give a video."
    assert system.chunks(job_id)[0].attempts == 1


def test_the_chunk_of_a_dead_process_is_queued_again_at_once(system: JobSystem) -> None:
    job_id = system.submit(1)
    process = subprocess.Popen(["sleep", "60"])
    owner = f"{process_names._namespace()}/{process.pid}/{process_names._start_time(process.pid)}"
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 1, owner, 3600, 3) is not None
    jobs.reap(system.ctx)
    assert system.chunks(job_id)[0].state is JobState.RUNNING
    process.kill()
    process.wait()
    jobs.reap(system.ctx)
    assert system.chunks(job_id)[0].state is JobState.QUEUED
    assert system.queue.hints == [1, 1]
    assert system.run(1, succeed) is JobState.DONE


def test_a_chunk_that_kills_its_worker_is_set_aside(system: JobSystem) -> None:
    job_id = system.submit(1, items=7)
    for attempt in range(3):
        with system.ctx.sessions.write() as session:
            assert chunk_rows.claim(session, 1, f"worker-{attempt}", -1.0, 3) is not None
        jobs.reap(system.ctx)
    job = system.job(job_id)
    assert (job.state, job.failed) == (JobState.FAILED, 7)
    assert job.error == "The worker was lost 3 times in a row. Its log and the system's say why."
    assert system.run(1, succeed) is None


def test_cancel_keeps_what_is_done_and_drops_the_rest(system: JobSystem) -> None:
    job_id = system.submit(3)
    system.run(1, succeed)
    assert jobs.cancel(system.ctx, job_id).state is JobState.CANCELLED
    assert [chunk.state for chunk in system.chunks(job_id)] == [
        JobState.DONE,
        JobState.CANCELLED,
        JobState.CANCELLED,
    ]
    assert system.run(2, succeed) is None
    assert system.job(job_id).done == 10


def test_cancel_stops_the_chunk_that_runs(system: JobSystem) -> None:
    job_id = system.submit(1)

    def endless(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.cancel(system.ctx, job_id)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.05)
            progress.check_cancelled()
        raise AssertionError("it was not told to stop")

    assert system.run(1, endless) is JobState.CANCELLED
    assert system.job(job_id).state is JobState.CANCELLED


def test_a_cancelled_chunk_that_fails_is_not_tried_again(system: JobSystem) -> None:
    job_id = system.submit(1)

    def cancelled_then_broken(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.cancel(system.ctx, job_id)
        raise RuntimeError("broken")

    system.run(1, cancelled_then_broken)
    assert system.chunks(job_id)[0].state is JobState.CANCELLED
    assert system.job(job_id).state is JobState.CANCELLED


def test_cancelling_twice_or_after_the_end_changes_nothing(system: JobSystem) -> None:
    job_id = system.submit(1)
    system.run(1, succeed)
    assert jobs.cancel(system.ctx, job_id).state is JobState.DONE


def test_a_retry_amid_a_cancel_withdraws_it(system: JobSystem) -> None:
    """The chunk that was told to stop is queued with the others, not left behind as cancelled."""
    job_id = system.submit(2)

    def cancelled_and_wanted_again(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.cancel(system.ctx, job_id)
        jobs.retry(system.ctx, job_id)
        raise Cancelled

    assert system.run(1, cancelled_and_wanted_again) is JobState.QUEUED
    assert [system.run(chunk_id, succeed) for chunk_id in (1, 2)] == [JobState.DONE] * 2
    assert system.job(job_id).state is JobState.DONE


def test_the_only_chunk_that_was_told_to_stop_can_be_wanted_again(system: JobSystem) -> None:
    job_id = system.submit(1)

    def cancelled_and_wanted_again(chunk: Chunk, progress: Progress) -> ChunkResult:
        jobs.cancel(system.ctx, job_id)
        assert not jobs.retry(system.ctx, job_id).is_cancel_requested
        return succeed(chunk, progress)

    assert system.run(1, cancelled_and_wanted_again) is JobState.DONE
    assert system.job(job_id).state is JobState.DONE


def test_retry_queues_only_what_is_not_done(system: JobSystem) -> None:
    job_id = system.submit(2)
    system.run(1, succeed)
    system.run(2, fail_with(InputError("no")))
    assert system.job(job_id).state is JobState.FAILED
    system.queue.hints.clear()
    assert jobs.retry(system.ctx, job_id).state is JobState.QUEUED
    assert system.queue.hints == [2]
    system.run(2, succeed)
    job = system.job(job_id)
    assert (job.state, job.done, job.failed, job.error) == (JobState.DONE, 20, 0, None)


def test_hints_are_sent_ahead_in_a_window_and_one_more_for_each_finished_chunk(system: JobSystem) -> None:
    system.submit(40)
    assert len(system.queue.hints) == 16
    system.run(1, succeed)
    assert system.queue.hints[16:] == [17]


def test_hints_that_could_not_be_sent_are_sent_later(system: JobSystem) -> None:
    system.queue.is_down = True
    system.submit(2)
    assert system.queue.hints == []
    system.queue.is_down = False
    jobs.reap(system.ctx)
    jobs.reap(system.ctx)
    assert system.queue.hints == [1, 2]


def test_lost_hints_are_sent_again_only_to_a_worker_that_could_follow_them(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they pile up in the broker until it is full, while a worker waits days for its model."""
    monkeypatch.setattr(jobs, "_IDLE_HINT_STALE_S", 0.0)
    system.submit(1)
    for state, n_hints in ((None, 1), (WorkerState.WAITING, 1), (WorkerState.READY, 2)):
        if state is not None:
            with system.ctx.sessions.write() as session:
                workers.report(session, "machine/1/1", Queue.DEFAULT, state, "")
        jobs.reap(system.ctx)
        assert system.queue.hints == [1] * n_hints, state


def test_who_lives_is_told_by_the_clock_of_the_database(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with system.ctx.sessions.write() as session:
        workers.report(session, "machine/1/1", Queue.DEFAULT, WorkerState.READY, "")
    wrong_s = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: wrong_s)
    with system.ctx.sessions.read() as session:
        assert len(workers.of_queue(session, Queue.DEFAULT)) == 1


def test_processes_that_were_killed_are_forgotten_in_the_end(system: JobSystem) -> None:
    with system.ctx.sessions.write() as session:
        for name, age_s in (("machine/1/1", 7200.0), ("machine/2/2", 20.0), ("machine/3/3", 0.0)):
            workers.report(session, name, Queue.DEFAULT, WorkerState.READY, "")
            session.execute(
                update(WorkerRow).where(WorkerRow.name == name).values(seen_s=WorkerRow.seen_s - age_s)
            )
    jobs.reap(system.ctx)
    with system.ctx.sessions.read() as session:
        assert [worker.name for worker in workers.of_queue(session, Queue.DEFAULT)] == ["machine/3/3"]
        assert sorted(session.scalars(select(WorkerRow.name))) == ["machine/2/2", "machine/3/3"]


def test_an_open_child_ends_after_its_parent(system: JobSystem) -> None:
    job_id = system.submit(1)

    def feed_child(chunk: Chunk, progress: Progress) -> ChunkResult:
        def write(session: object) -> None:
            child_id = job_rows.open_child(session, system.job(job_id), "embed")  # type: ignore[arg-type]
            chunk_rows.add(session, child_id, [NewChunk(KIND, Queue.SIGLIP, {}, 5)])  # type: ignore[arg-type]

        return ChunkResult(Counts(done=chunk.total), write=write)

    system.run(1, feed_child)
    child_id = job_id + 1
    assert system.job(job_id).state is JobState.DONE
    assert system.job(child_id).parent_id == job_id
    assert system.job(child_id).state is JobState.QUEUED
    system.run(2, succeed)
    assert system.job(child_id).state is JobState.DONE


def test_an_unknown_job_is_an_error(system: JobSystem) -> None:
    with pytest.raises(NotFoundError, match="There is no job 99"):
        jobs.cancel(system.ctx, 99)


def test_a_process_knows_its_own_name() -> None:
    assert not process_names.is_gone(process_names.own_name())
    assert not process_names.is_gone("another-machine/1/1")
    assert process_names.is_gone(f"{process_names._namespace()}/999999999/1")
