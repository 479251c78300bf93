"""Jobs share a queue chunk by chunk, and their chunks are counted where they change."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from komadori.core.errors import InputError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, JobState, Queue
from komadori.db import migrate
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.db.tables import ChunkCountRow, ChunkRow, JobRow
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from tests.support.jobs import KIND, JobSystem, fail_with, job_system, succeed

pytestmark = pytest.mark.usefixtures("both_databases")

AHEAD = 4
"""Chunks that are announced at a time here."""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSystem]:
    monkeypatch.setattr(jobs, "_HINTS_AHEAD", AHEAD)
    made = job_system(tmp_path)
    yield made
    made.ctx.sessions.close()


def work_off(system: JobSystem, n_chunks: int, work: jobs.ChunkWork = succeed) -> list[int]:
    """Follow the hints in their order, as one worker does: the jobs that the chunks were of."""
    done: list[int] = []
    while len(done) < n_chunks and system.queue.hints:
        chunk_id = system.queue.hints.pop(0)
        with system.ctx.sessions.read() as session:
            job_id = session.scalar(select(ChunkRow.job_id).where(ChunkRow.id == chunk_id))
        assert job_id is not None
        if system.run(chunk_id, work) is not None:
            done.append(job_id)
    return done


def test_a_small_job_waits_for_a_window_and_not_for_all_of_a_large_one(system: JobSystem) -> None:
    large, small = system.submit(20), system.submit(3)
    order = work_off(system, AHEAD + 6)
    assert order[:AHEAD] == [large] * AHEAD
    assert order[AHEAD:] == [small, large, small, large, small, large]


def test_many_jobs_take_turns_also_more_than_are_announced_at_a_time(system: JobSystem) -> None:
    n_jobs = AHEAD + 4
    job_ids = [system.submit(AHEAD + 4) for _ in range(n_jobs)]
    work_off(system, AHEAD)
    assert Counter(work_off(system, 2 * n_jobs)) == dict.fromkeys(job_ids, 2)


def test_hints_that_are_sent_together_are_of_all_jobs_in_turn(system: JobSystem) -> None:
    system.queue.is_down = True
    first, second = system.submit(10), system.submit(10)
    system.queue.is_down = False
    jobs.announce(system.ctx)
    assert work_off(system, AHEAD) == [first, second] * (AHEAD // 2)


def test_a_chunk_that_is_done_in_parts_lets_every_other_job_have_its_turn(system: JobSystem) -> None:
    """It goes behind what is announced, and comes before the rest of the others."""
    in_parts, large = system.submit(1), system.submit(20)

    def a_part(chunk: Chunk, progress: Progress) -> ChunkResult:
        if chunk.job_id == in_parts:
            return ChunkResult(Counts(done=1), is_unfinished=True)
        return succeed(chunk, progress)

    order = work_off(system, 2 * AHEAD + 1, a_part)
    assert [n for n, job_id in enumerate(order) if job_id == in_parts] == [0, AHEAD, 2 * AHEAD]
    assert set(order) == {in_parts, large}


def test_queues_do_not_wait_for_each_other(system: JobSystem) -> None:
    system.submit(AHEAD)
    system.queue.hints.clear()
    chunks = [NewChunk(KIND, Queue.SIGLIP, {}, 1)]
    job_id = jobs.submit(system.ctx, KIND, system.project_id, {}, chunks).id
    assert system.queue.hints == [chunk.id for chunk in system.chunks(job_id)]


def test_what_was_retried_takes_turns_with_the_others(system: JobSystem) -> None:
    stopped = system.submit(20)
    jobs.cancel(system.ctx, stopped)
    system.queue.hints.clear()
    other = system.submit(30)
    work_off(system, AHEAD)
    jobs.retry(system.ctx, stopped)
    order = work_off(system, AHEAD + 10)[AHEAD:]
    assert Counter(order) == {stopped: 5, other: 5}


def assert_counted(system: JobSystem) -> None:
    """The counts are those of the chunks."""
    items = ("total", "done", "skipped", "failed")
    with system.ctx.sessions.read() as session:
        kept = session.execute(select(ChunkCountRow).where(ChunkCountRow.n != 0)).scalars()
        counted = {
            (row.job_id, row.queue, row.state): [row.n, *(getattr(row, name) for name in items)]
            for row in kept
        }
        sums = [func.sum(getattr(ChunkRow, name)) for name in items]
        keys = (ChunkRow.job_id, ChunkRow.queue, ChunkRow.state)
        expected = {
            (job_id, queue, state): [n, *([0] * 4 if state == "running" else map(int, rest))]
            for job_id, queue, state, n, *rest in session.execute(
                select(*keys, func.count(), *sums).group_by(*keys)
            )
        }
    assert counted == expected


def test_every_change_of_chunks_is_counted(system: JobSystem) -> None:
    first, second = system.submit(6), system.submit(3)
    assert_counted(system)

    def seen_while_it_runs(chunk: Chunk, progress: Progress) -> ChunkResult:
        with system.ctx.sessions.write() as session:
            chunk_rows.set_total(session, chunk, 12)
            assert chunk_rows.renew(session, chunk.id, "worker-a", 30.0, 5) is False
        assert_counted(system)
        assert (system.job(first).total, system.job(first).done) == (62, 5)
        return ChunkResult(Counts(done=11, skipped=1))

    system.run(1, seen_while_it_runs)
    system.run(2, fail_with(InputError("no")))
    system.run(3, fail_with(OSError("a glitch")))
    assert_counted(system)
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 4, "worker-a", -1.0, 3) is not None
    assert_counted(system)
    jobs.reap(system.ctx)
    jobs.cancel(system.ctx, first)
    assert_counted(system)
    jobs.retry(system.ctx, first)
    jobs.pause(system.ctx, second)
    assert_counted(system)
    job = system.job(first)
    assert (job.total, job.done, job.skipped, job.failed) == (62, 11, 1, 0)


def test_a_job_that_is_deleted_takes_its_counts_along(system: JobSystem) -> None:
    kept, gone = system.submit(2), system.submit(2)
    with system.ctx.sessions.write() as session:
        session.execute(delete(JobRow).where(JobRow.id == gone))
    with system.ctx.sessions.read() as session:
        assert set(session.scalars(select(ChunkCountRow.job_id))) == {kept}
    assert_counted(system)


def test_chunks_of_an_older_schema_are_counted_when_it_is_brought_up_to_date(system: JobSystem) -> None:
    job_id = system.submit(3)
    system.run(1, succeed)
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 2, "worker-a", 30.0, 3) is not None
    jobs.pause(system.ctx, job_id)
    migrate.downgrade(system.ctx.sessions.engine, "0001")
    migrate.upgrade(system.ctx.sessions.engine)
    assert_counted(system)
    job = system.job(job_id)
    assert (job.state, job.total, job.done) == (JobState.RUNNING, 30, 10)
