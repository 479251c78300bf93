"""What becomes of chunks whose worker is gone: the item that ends its workers is found, and nothing else."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from komadori.core import process_names
from komadori.core.progress import Progress
from komadori.core.types import Chunk, ItemOutcome, Job, JobState, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.chunks import Issue, NewChunk
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from tests.support.jobs import KIND, JobSystem, fail_with, job_system, succeed

on_both_databases = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[JobSystem]:
    made = job_system(tmp_path)
    yield made
    made.ctx.sessions.close()


def submit(system: JobSystem, *chunks: Sequence[int]) -> int:
    new = [NewChunk(KIND, Queue.DEFAULT, {"frame_ids": list(items)}, len(items)) for items in chunks]
    return jobs.submit(system.ctx, KIND, system.project_id, {}, new).id


def die_over(system: JobSystem, chunk_id: int) -> None:
    """A worker on another machine takes the chunk and is not heard of again."""
    with system.ctx.sessions.write() as session:
        max_attempts = system.ctx.options.max_attempts
        assert chunk_rows.claim(session, chunk_id, "elsewhere/1/1", -1.0, max_attempts) is not None
    jobs.reap(system.ctx)


def run_all(system: JobSystem, job_id: int, poison: set[int]) -> list[list[int]]:
    """Let workers do the job, who die over a poison item: the items of each chunk that ended one."""
    ended: list[list[int]] = []
    while waiting := [chunk for chunk in system.chunks(job_id) if chunk.state is JobState.QUEUED]:
        chunk = waiting[0]
        if poison & set(chunk.payload["frame_ids"]):
            ended.append(chunk.payload["frame_ids"])
            die_over(system, chunk.id)
        else:
            assert system.run(chunk.id, succeed) is JobState.DONE
    return ended


def issues(system: JobSystem, job_id: int) -> list[Issue]:
    with system.ctx.sessions.read() as session:
        return chunk_rows.issues(session, job_id)


def counts(job: Job) -> tuple[JobState, int, int, int, int]:
    return job.state, job.total, job.done, job.skipped, job.failed


@on_both_databases
def test_the_poison_item_alone_is_set_aside_with_its_reason(system: JobSystem) -> None:
    job_id = submit(system, range(1, 9), range(9, 13))

    run_all(system, job_id, poison={6})

    assert counts(system.job(job_id)) == (JobState.DONE, 12, 11, 1, 0)
    [issue] = issues(system, job_id)
    assert (issue.item, issue.outcome) == ("frame 6", ItemOutcome.SKIPPED)
    assert issue.reason.startswith("It ended its worker 3 times in a row and was set aside.")
    assert f"`komadori jobs retry {job_id}` gives it another chance" in issue.reason


def test_a_chunk_is_halved_at_its_second_death_and_a_half_at_the_next(system: JobSystem) -> None:
    job_id = submit(system, range(1, 9))

    ended = run_all(system, job_id, poison={6})

    whole, half, quarter, alone = [*range(1, 9)], [5, 6, 7, 8], [5, 6], [6]
    assert ended == [whole, whole, half, quarter, alone, alone, alone]


def test_several_poison_items_are_each_found(system: JobSystem) -> None:
    job_id = submit(system, range(1, 14))

    run_all(system, job_id, poison={1, 7, 13})

    assert counts(system.job(job_id)) == (JobState.DONE, 13, 10, 3, 0)
    assert sorted(issue.item for issue in issues(system, job_id)) == ["frame 1", "frame 13", "frame 7"]


@on_both_databases
def test_items_are_counted_once_and_the_chunk_says_where_they_went(system: JobSystem) -> None:
    job_id = submit(system, [1, 2, 3])

    die_over(system, 1)
    assert system.job(job_id).total == 3
    die_over(system, 1)

    assert counts(system.job(job_id)) == (JobState.RUNNING, 3, 0, 0, 0)
    whole, first, second = system.chunks(job_id)
    assert (whole.state, whole.total) == (JobState.DONE, 0)
    assert whole.error == "Its worker was lost, so its 3 items go on in halves: chunks 1 and 2."
    assert [first.payload, second.payload] == [{"frame_ids": [1]}, {"frame_ids": [2, 3]}]
    assert system.queue.hints[-2:] == [first.id, second.id]


def test_a_healthy_half_just_finishes(system: JobSystem) -> None:
    """Whoever killed the workers was no item."""
    job_id = submit(system, [1, 2, 3])
    die_over(system, 1)
    die_over(system, 1)

    run_all(system, job_id, poison=set())

    assert counts(system.job(job_id)) == (JobState.DONE, 3, 3, 0, 0)
    assert issues(system, job_id) == []


def test_an_item_alone_begins_with_all_its_attempts(system: JobSystem) -> None:
    job_id = submit(system, [1, 2])
    die_over(system, 1)
    die_over(system, 1)
    alone = system.chunks(job_id)[1]

    die_over(system, alone.id)
    die_over(system, alone.id)

    assert system.run(alone.id, succeed) is JobState.DONE
    assert issues(system, job_id) == []


def test_with_one_attempt_a_chunk_is_split_at_once(tmp_path: Path) -> None:
    system = job_system(tmp_path, max_attempts=1)
    job_id = submit(system, [1, 2, 3])

    ended = run_all(system, job_id, poison={1})

    assert ended == [[1, 2, 3], [1]]
    assert counts(system.job(job_id)) == (JobState.DONE, 3, 2, 1, 0)
    assert issues(system, job_id)[0].reason.startswith("It ended its worker once and was set aside.")
    system.ctx.sessions.close()


def test_errors_among_the_deaths_are_not_called_deaths(system: JobSystem) -> None:
    job_id = submit(system, [1])
    die_over(system, 1)
    system.run(1, fail_with(RuntimeError("broken")))
    die_over(system, 1)

    assert issues(system, job_id)[0].reason.startswith("It ended its worker in 2 of 3 attempts")


@on_both_databases
def test_retry_gives_an_item_that_was_set_aside_another_chance(system: JobSystem) -> None:
    job_id = submit(system, [1, 2])
    run_all(system, job_id, poison={2})
    assert counts(system.job(job_id)) == (JobState.DONE, 2, 1, 1, 0)

    assert jobs.retry(system.ctx, job_id).state is JobState.QUEUED
    assert issues(system, job_id) == []
    ended = run_all(system, job_id, poison={2})

    assert ended == [[2]] * 3
    assert counts(system.job(job_id)) == (JobState.DONE, 2, 1, 1, 0)
    assert len(issues(system, job_id)) == 1
    jobs.retry(system.ctx, job_id)
    run_all(system, job_id, poison=set())
    assert counts(system.job(job_id)) == (JobState.DONE, 2, 2, 0, 0)


def test_retry_leaves_alone_what_was_split_or_had_one_death_and_is_done(system: JobSystem) -> None:
    job_id = submit(system, [1, 2])
    die_over(system, 1)
    die_over(system, 1)
    die_over(system, 2)
    run_all(system, job_id, poison=set())

    assert jobs.retry(system.ctx, job_id).state is JobState.DONE
    assert {chunk.state for chunk in system.chunks(job_id)} == {JobState.DONE}


def test_a_cancelled_job_is_not_split(system: JobSystem) -> None:
    job_id = submit(system, [1, 2])
    die_over(system, 1)
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 1, "elsewhere/1/1", -1.0, 3) is not None
    jobs.cancel(system.ctx, job_id)

    jobs.reap(system.ctx)

    assert [chunk.state for chunk in system.chunks(job_id)] == [JobState.CANCELLED]
    assert system.job(job_id).state is JobState.CANCELLED


@on_both_databases
def test_a_reaper_that_dies_amid_a_split_leaves_the_chunk_as_it_was(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(system, [1, 2])
    die_over(system, 1)
    with monkeypatch.context() as patched:
        patched.setattr(chunk_rows, "empty", fail_with(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            die_over(system, 1)
    assert [chunk.state for chunk in system.chunks(job_id)] == [JobState.RUNNING]

    jobs.reap(system.ctx)
    run_all(system, job_id, poison=set())

    assert counts(system.job(job_id)) == (JobState.DONE, 2, 2, 0, 0)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process on this machine that may own chunks."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def name_of(process: subprocess.Popen[bytes]) -> str:
    return f"{process_names._namespace()}/{process.pid}/{process_names._start_time(process.pid)}"


def claim(system: JobSystem, owner: str) -> None:
    with system.ctx.sessions.write() as session:
        assert chunk_rows.claim(session, 1, owner, 30.0, 3) is not None


@pytest.fixture
def awake_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets the clock go on that counts while the machine is awake."""
    passed = [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])

    def go_on(seconds: float) -> None:
        passed[0] += seconds

    return go_on


def test_a_living_owner_on_this_machine_that_has_slept_keeps_its_chunk(
    system: JobSystem, sleeper: subprocess.Popen[bytes], awake_s: Callable[[float], None]
) -> None:
    job_id = submit(system, [1])
    claim(system, name_of(sleeper))

    for _ in range(3):  # each time it is up in time again
        system.expire(1)
        jobs.reap(system.ctx)
        awake_s(6)
        jobs.reap(system.ctx)
        with system.ctx.sessions.write() as session:
            assert chunk_rows.renew(session, 1, name_of(sleeper), 30.0, 0) is False
        jobs.reap(system.ctx)

    [chunk] = system.chunks(job_id)
    assert (chunk.state, chunk.attempts, chunk.deaths) == (JobState.RUNNING, 1, 0)


def test_after_this_machine_has_slept_owners_elsewhere_get_some_time_as_well(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch, awake_s: Callable[[float], None]
) -> None:
    """Workers in containers are elsewhere for the reaper, and sleep with it."""
    job_id = submit(system, [1])
    claim(system, "container/1/1")
    jobs.reap(system.ctx)
    wall_s = time.time
    monkeypatch.setattr(time, "time", lambda: wall_s() + 3600)
    system.expire(1)

    jobs.reap(system.ctx)
    awake_s(6)
    jobs.reap(system.ctx)
    assert system.chunks(job_id)[0].state is JobState.RUNNING

    awake_s(6)
    jobs.reap(system.ctx)
    assert system.chunks(job_id)[0].state is JobState.QUEUED


def test_a_living_owner_that_stays_silent_loses_its_chunk_in_the_end(
    system: JobSystem, sleeper: subprocess.Popen[bytes], awake_s: Callable[[float], None]
) -> None:
    job_id = submit(system, [1])
    os.kill(sleeper.pid, signal.SIGSTOP)
    claim(system, name_of(sleeper))
    system.expire(1)
    jobs.reap(system.ctx)
    awake_s(11)

    jobs.reap(system.ctx)

    [chunk] = system.chunks(job_id)
    assert (chunk.state, chunk.deaths) == (JobState.QUEUED, 1)


def test_a_clock_that_is_set_back_leaves_no_lease_for_hours(system: JobSystem) -> None:
    job_id = submit(system, [1], [2])
    for chunk_id, lease_s in ((1, 3600.0), (2, 30.0)):
        with system.ctx.sessions.write() as session:
            assert chunk_rows.claim(session, chunk_id, "elsewhere/1/1", lease_s, 3) is not None

    jobs.reap(system.ctx)

    assert [chunk.state for chunk in system.chunks(job_id)] == [JobState.QUEUED, JobState.RUNNING]


@on_both_databases
def test_an_owner_that_wakes_up_too_late_drops_its_results_and_the_death_does_not_count(
    system: JobSystem,
) -> None:
    job_id = submit(system, [1])

    def asleep(chunk: Chunk, progress: Progress) -> ChunkResult:
        system.expire(chunk.id)
        jobs.reap(system.ctx)
        assert [found.deaths for found in system.chunks(job_id)] == [1]
        return succeed(chunk, progress)

    assert system.run(1, asleep, owner="laptop/1/1") is None
    [chunk] = system.chunks(job_id)
    assert (chunk.state, chunk.attempts, chunk.deaths) == (JobState.QUEUED, 0, 0)
    assert system.run(1, succeed) is JobState.DONE
    assert system.job(job_id).done == 1


def test_a_worker_that_is_told_to_stop_amid_a_chunk_hands_it_back(system: JobSystem) -> None:
    job_id = submit(system, [1])

    def told_to_stop(chunk: Chunk, progress: Progress) -> ChunkResult:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        system.run(1, told_to_stop)

    [chunk] = system.chunks(job_id)
    assert (chunk.state, chunk.owner, chunk.attempts, chunk.deaths) == (JobState.QUEUED, None, 0, 0)
    assert system.queue.hints == [1, 1]


def test_a_portion_of_decoding_is_split_by_its_frames(system: JobSystem) -> None:
    segment = {"mode": "gop", "start_row": 3, "stop_row": 90, "targets": [5, 7, 9], "cost_s": 1.0}
    payload = {"video_id": 1, "sampling_id": 2, "segment": segment}
    chunk = NewChunk("decode", Queue.DEFAULT, payload, 3)
    job_id = jobs.submit(system.ctx, "ingest", system.project_id, {}, [chunk]).id

    die_over(system, 1)
    die_over(system, 1)

    assert [(c.total, c.payload["segment"]["targets"]) for c in system.chunks(job_id)[1:]] == [
        (1, [5]),
        (2, [7, 9]),
    ]
    assert all({**c.payload, "segment": segment} == payload for c in system.chunks(job_id)[1:])


def test_the_counts_of_an_unfinished_chunk_are_zero_again(system: JobSystem) -> None:
    """What the lost attempt had reported was not committed."""
    job_id = submit(system, [1, 2])
    claim(system, "elsewhere/1/1")
    with system.ctx.sessions.write() as session:
        chunk_rows.renew(session, 1, "elsewhere/1/1", -1.0, 2)
    assert system.job(job_id).done == 2

    jobs.reap(system.ctx)

    assert system.job(job_id).done == 0
