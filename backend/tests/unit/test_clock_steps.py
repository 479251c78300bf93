"""A clock that is set back leaves moments in the future behind; nothing waits for them to come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import chunks, workers
from komadori.db.repositories.statements import now_s
from komadori.db.tables import ChunkRow, WorkerRow
from komadori.services import jobs
from tests.support.jobs import JobSystem, job_system

pytestmark = pytest.mark.usefixtures("both_databases")

_HOUR_S = 3600.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[JobSystem]:
    made = job_system(tmp_path)
    with made.ctx.sessions.write() as session:
        workers.report(session, "here", Queue.DEFAULT, WorkerState.READY, "ready")
    yield made
    made.ctx.sessions.close()


def test_a_hint_from_the_future_is_sent_again(system: JobSystem) -> None:
    job_id = system.submit(1)
    with system.ctx.sessions.write() as session:
        session.execute(update(ChunkRow).values(published_s=now_s() + _HOUR_S))
    system.queue.hints.clear()

    jobs.announce(system.ctx)

    assert system.queue.hints == [chunk.id for chunk in system.chunks(job_id)]


def test_a_hint_of_just_now_is_not_sent_again(system: JobSystem) -> None:
    system.submit(1)
    system.queue.hints.clear()

    jobs.announce(system.ctx)

    assert system.queue.hints == []


def test_a_worker_that_reported_in_the_future_is_not_alive(system: JobSystem) -> None:
    with system.ctx.sessions.write() as session:
        session.execute(update(WorkerRow).values(seen_s=now_s() + _HOUR_S))

    with system.ctx.sessions.read() as session:
        assert workers.living(session) == []


def test_a_lease_into_the_far_future_has_run_out(system: JobSystem) -> None:
    job_id = system.submit(1)
    [chunk] = system.chunks(job_id)
    with system.ctx.sessions.write() as session:
        chunks.claim(session, chunk.id, "elsewhere/1/1", _HOUR_S, max_attempts=3)

    jobs.reap(system.ctx)

    [taken_back] = system.chunks(job_id)
    assert (taken_back.state, taken_back.owner) == (JobState.QUEUED, None)


def test_a_lease_that_was_just_given_has_not(system: JobSystem) -> None:
    job_id = system.submit(1)
    [chunk] = system.chunks(job_id)
    with system.ctx.sessions.write() as session:
        chunks.claim(session, chunk.id, "elsewhere/1/1", system.ctx.options.lease_s, max_attempts=3)

    jobs.reap(system.ctx)

    assert system.chunks(job_id)[0].state is JobState.RUNNING
