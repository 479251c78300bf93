"""Whether jobs, their chunks and the workers agree with each other."""

from collections.abc import Iterator
from typing import Any

from komadori.core import process_names
from komadori.core.types import JobState
from komadori.db.repositories import audits
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look

SILENT_WORKER_S = 3600.0 + 300.0
"""The API forgets a silent worker after an hour."""

_MANY_HINTS = 500
"""At most 16 chunks of a queue are announced at a time, each at most once a minute while hints live."""


def look_at_jobs(look: Look) -> Iterator[Finding]:
    """Jobs whose state is not what their chunks come to."""
    for job in audits.jobs_with_chunks(look.store.sessions):
        look.seen["jobs"] += 1
        look.seen["chunks"] += job.n
        subject = f"job {job.id}"
        if job.n and (job.first, job.last) != (0, job.n - 1):
            detail = f"It has {job.n} chunks at positions {job.first} to {job.last}."
            yield Finding(Kind.CHUNK_MISSING, subject, detail)
        if problem := _problem_of_state(job):
            kind, detail = problem
            yield Finding(kind, subject, detail)
    with look.store.sessions.read() as session:
        left_open = audits.children_left_open(session)
        miscounted = audits.miscounted_jobs(session)
    for job_id in miscounted:
        yield Finding(Kind.JOB_COUNTS, f"job {job_id}", "Its counts differ from the sums of its chunks.")
    for job_id in left_open:
        yield Finding(Kind.STUCK_JOB, f"job {job_id}", "It waits for chunks from a job that has ended.")


def look_at_chunks(look: Look) -> Iterator[Finding]:
    """Chunks whose items do not add up, and those that belong to nobody who works on them."""
    with look.store.sessions.read() as session:
        miscounted = audits.miscounted_chunks(session)
        misowned = audits.misowned_chunks(session)
        overdue = audits.overdue_chunks(session, look.store.lease_s)
    for row in miscounted:
        detail = (
            f"{row.state}: {row.done} done, {row.skipped} skipped and {row.failed} failed of {row.total}."
        )
        yield Finding(Kind.CHUNK_COUNTS, f"chunk {row.id} of job {row.job_id}", detail)
    for row in misowned:
        yield Finding(
            Kind.CHUNK_OWNER,
            f"chunk {row.id} of job {row.job_id}",
            f"It is {row.state}, its owner {row.owner}.",
        )
    for row in overdue:
        is_dead = row.owner is not None and process_names.is_gone(row.owner)
        detail = (
            f"Its lease ran out {row.silent_s:.0f} s ago; its worker is {'dead' if is_dead else 'silent'}."
        )
        yield Finding(Kind.LOST_CHUNK, f"chunk {row.id} of job {row.job_id}", detail)


def look_at_workers(look: Look) -> Iterator[Finding]:
    """Workers that are long gone, and hints that nobody takes."""
    with look.store.sessions.read() as session:
        silent = audits.silent_workers(session, SILENT_WORKER_S)
    for name, silent_s in silent:
        yield Finding(
            Kind.SILENT_WORKER, f"worker {name}", f"It has not reported for {silent_s / 3600:.1f} h."
        )
    for queue, n in (look.store.waiting_hints() or {}).items():
        if n > _MANY_HINTS:
            yield Finding(Kind.HINTS_PILED_UP, f"queue {queue}", f"{n} messages wait in the broker.")


def _problem_of_state(job: Any) -> tuple[Kind, str] | None:
    """What is wrong with the state of a job, given the sums of its chunks."""
    state = JobState(job.state)
    if not state.is_terminal:
        if job.n_live or job.is_open:
            return None
        return Kind.STUCK_JOB, f"It is {state}, but none of its {job.n} chunks is left to do."
    if job.n_live:
        return Kind.STUCK_JOB, f"It is {state}, but {job.n_live} of its chunks are not."
    if job.finished_s is None:
        return Kind.JOB_STATE, f"It is {state}, but without a time at which it ended."
    if state == JobState.DONE and (job.n_failed or job.n_cancelled):
        return Kind.JOB_STATE, f"It is done, but {job.n_failed + job.n_cancelled} of its chunks are not."
    if state == JobState.FAILED and not job.n_failed:
        return Kind.JOB_STATE, "It is failed, but none of its chunks is."
    return None
