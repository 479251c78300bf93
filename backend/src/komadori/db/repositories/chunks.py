"""Chunks of jobs: what one worker does in one transaction.

A chunk is claimed by one conditional update and finished by another that names its
owner. Whoever has lost the lease in between changes nothing: that is the fence.

On PostgreSQL others change the same job meanwhile. Every change of a chunk's state holds
the lock of the job (:func:`jobs.lock`), so that what is read of its chunks still holds when
the job is settled by it. Hints are taken last, of chunks that nobody has locked.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Float,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from komadori.core.types import Chunk, ItemOutcome, JobState, JsonDict, Queue
from komadori.db.repositories import jobs, workers
from komadori.db.repositories.statements import n_changed, now_s
from komadori.db.tables import ChunkRow, JobIssueRow, JobRow


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk that is not in the database yet; ``total`` counts its items."""

    kind: str
    queue: Queue
    payload: JsonDict
    total: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How the items of a chunk ended."""

    done: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Issue:
    """Why an item was skipped or failed."""

    item: str
    outcome: ItemOutcome
    reason: str


def _unannounced(queue: Queue) -> Subquery:
    """The oldest queued chunks of a queue that were not announced in the last ``stale_<queue>`` seconds."""
    is_unknown = or_(ChunkRow.published_s.is_(None), ChunkRow.published_s < _since(queue))
    return (
        select(ChunkRow.queue, ChunkRow.id)
        .where(ChunkRow.queue == queue.value, ChunkRow.state == JobState.QUEUED.value, is_unknown)
        .order_by(ChunkRow.id)
        .limit(bindparam(f"limit_{queue}"))
        .with_for_update(skip_locked=True)
        .subquery()
    )


def _since(queue: Queue) -> ColumnElement[float]:
    return now_s() - bindparam(f"stale_{queue}", type_=Float)


_IS_QUEUED = ChunkRow.state == JobState.QUEUED.value
_IS_EXPIRED = and_(ChunkRow.state == JobState.RUNNING.value, ChunkRow.lease_until_s < now_s())
_BUSY_QUEUES = select(ChunkRow.queue).where(ChunkRow.state == JobState.RUNNING.value).distinct()
_ANNOUNCED = (
    select(ChunkRow.queue, func.count())
    .where(
        ChunkRow.state == JobState.QUEUED.value,
        or_(*(and_(ChunkRow.queue == q.value, ChunkRow.published_s >= _since(q)) for q in Queue)),
    )
    .group_by(ChunkRow.queue)
)
_UNANNOUNCED = union_all(*(select(_unannounced(queue)) for queue in Queue))
"""These run at the end of every chunk, so they are put together once."""


def add(session: Session, job_id: int, new: Sequence[NewChunk]) -> None:
    """Append chunks to a job, in order."""
    if not new:
        return
    jobs.lock(session, job_id)
    last = session.scalar(select(func.max(ChunkRow.position)).where(ChunkRow.job_id == job_id))
    start = 0 if last is None else last + 1
    session.execute(
        insert(ChunkRow),
        [
            {
                "job_id": job_id,
                "position": start + offset,
                "kind": chunk.kind,
                "queue": chunk.queue.value,
                "payload": chunk.payload,
                "state": JobState.QUEUED.value,
                "attempts": 0,
                "total": chunk.total,
                "done": 0,
                "skipped": 0,
                "failed": 0,
            }
            for offset, chunk in enumerate(new)
        ],
    )


def claim(session: Session, chunk_id: int, owner: str, lease_s: float, max_attempts: int) -> Chunk | None:
    """Take a queued chunk, or one whose lease has run out; None when there is nothing to take.

    What an unfinished chunk has done (see :func:`finish`) stays counted.
    """
    job_id = session.scalar(select(ChunkRow.job_id).where(ChunkRow.id == chunk_id))
    if job_id is None:
        return None
    job = jobs.lock(session, job_id)
    row = session.execute(
        update(ChunkRow)
        .where(ChunkRow.id == chunk_id, or_(_IS_QUEUED, _IS_EXPIRED), ChunkRow.attempts < max_attempts)
        .values(
            state=JobState.RUNNING,
            attempts=ChunkRow.attempts + 1,
            owner=owner,
            lease_until_s=now_s() + lease_s,
            error=None,
            done=case((ChunkRow.state == JobState.QUEUED, ChunkRow.done), else_=0),
            skipped=0,
            failed=0,
        )
        .returning(ChunkRow)
    ).scalar_one_or_none()
    if row is None:
        return None
    job.state = JobState.RUNNING
    job.started_s = job.started_s or time.time()
    return _chunk(row)


def renew(session: Session, chunk_id: int, owner: str, lease_s: float, done: int) -> bool | None:
    """Extend the lease and report progress: whether to cancel, or None when the lease is lost."""
    result = session.execute(
        update(ChunkRow)
        .where(_owned(chunk_id, owner))
        .values(
            lease_until_s=now_s() + lease_s,
            done=case((ChunkRow.total < done, ChunkRow.total), else_=done),
        )
        .returning(ChunkRow.job_id)
    ).scalar_one_or_none()
    if result is None:
        return None
    return bool(session.scalar(select(JobRow.is_cancel_requested).where(JobRow.id == result)))


def finish(
    session: Session,
    chunk: Chunk,
    owner: str,
    state: JobState,
    counts: Counts,
    *,
    error: str | None = None,
    issues: Iterable[Issue] = (),
) -> JobState | None:
    """End a chunk that is still owned: its new state, or None (and nothing changed) when it is not.

    A chunk that should be queued again is cancelled instead when its job is, and the reverse when
    the job was retried since. One that is queued again without an error is unfinished: it has got
    on, so its attempts begin anew.
    A failed one failed with all of its items.
    """
    job = jobs.lock(session, chunk.job_id)
    if state in (JobState.QUEUED, JobState.CANCELLED):
        state = JobState.CANCELLED if job.is_cancel_requested else JobState.QUEUED
    result = session.execute(
        update(ChunkRow)
        .where(_owned(chunk.id, owner))
        .values(
            state=state,
            owner=None,
            lease_until_s=None,
            published_s=None,
            error=error,
            attempts=0 if state == JobState.QUEUED and error is None else ChunkRow.attempts,
            done=counts.done,
            skipped=counts.skipped,
            failed=ChunkRow.total if state == JobState.FAILED else counts.failed,
        )
    )
    if n_changed(result) == 0:
        return None
    _add_issues(session, chunk, issues)
    return state


def set_total(session: Session, chunk: Chunk, total: int) -> None:
    """Say how many items a chunk has, once its owner knows."""
    session.execute(update(ChunkRow).where(_owned(chunk.id, chunk.owner)).values(total=total))


def release(session: Session, chunk_id: int, owner: str) -> None:
    """Let the lease of a chunk run out at once, because its owner is known to be gone."""
    session.execute(update(ChunkRow).where(_owned(chunk_id, owner)).values(lease_until_s=0.0))


def owned(session: Session) -> list[tuple[int, str]]:
    """The chunks that run, with their owners."""
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.owner)
        .where(ChunkRow.state == JobState.RUNNING, ChunkRow.owner.is_not(None))
        .order_by(ChunkRow.id)
    )
    return [(chunk_id, owner) for chunk_id, owner in rows if owner]


def jobs_with_expired(session: Session) -> list[int]:
    """The jobs that have chunks whose owner fell silent."""
    return list(session.scalars(select(ChunkRow.job_id).where(_IS_EXPIRED).distinct()))


def requeue_expired(session: Session, job_id: int, max_attempts: int) -> list[Chunk]:
    """Queue a job's chunks whose owner fell silent; set aside those that were started too often."""
    job = jobs.lock(session, job_id)
    rows = session.scalars(
        select(ChunkRow).where(ChunkRow.job_id == job_id, _IS_EXPIRED).order_by(ChunkRow.id).with_for_update()
    ).all()
    for row in rows:
        is_poison = row.attempts >= max_attempts
        row.state = JobState.FAILED if is_poison else JobState.QUEUED
        row.owner, row.lease_until_s, row.published_s = None, None, None
        row.error = f"The worker was lost {row.attempts} times in a row." if is_poison else None
        row.done, row.skipped, row.failed = 0, 0, row.total if is_poison else 0
    session.flush()
    if job.is_cancel_requested:
        jobs.cancel_queued(session, job_id)
    if rows:
        jobs.settle(session, job_id)
    return [_chunk(row) for row in rows]


def requeue_all(session: Session) -> None:
    """Queue what runs, and forget the hints and the workers: all of that was so elsewhere, as in a backup."""
    running = select(ChunkRow.job_id).where(ChunkRow.state == JobState.RUNNING).distinct()
    job_ids = list(session.scalars(running.order_by(ChunkRow.job_id)))
    session.execute(update(ChunkRow).where(ChunkRow.published_s.is_not(None)).values(published_s=None))
    session.execute(
        update(ChunkRow)
        .where(ChunkRow.state == JobState.RUNNING)
        .values(
            state=JobState.QUEUED,
            attempts=ChunkRow.attempts - 1,
            owner=None,
            lease_until_s=None,
            done=0,
            skipped=0,
            failed=0,
        )
    )
    workers.forget_all(session)
    for job_id in job_ids:
        if jobs.lock(session, job_id).is_cancel_requested:
            jobs.cancel_queued(session, job_id)
        jobs.settle(session, job_id)


def take_unannounced(
    session: Session, ahead: int, stale_s: float, idle_stale_s: float
) -> list[tuple[Queue, int]]:
    """Chunks to announce now, by queue and id; they count as announced from now on.

    For each queue the oldest ones, as many as there must be for ``ahead`` of its queued
    chunks to be announced. A hint counts as lost after ``stale_s``, and already after
    ``idle_stale_s`` when nothing of its queue runs. It never does while no worker of its queue
    is ready: nobody takes hints from the broker then, and each one more would stay there.
    """
    busy, ready = set(session.scalars(_BUSY_QUEUES)), workers.ready_queues(session)
    patience_s = {q: (stale_s if q in busy else idle_stale_s) if q in ready else math.inf for q in Queue}
    stale = {f"stale_{q}": seconds for q, seconds in patience_s.items()}
    announced = {queue: n for queue, n in session.execute(_ANNOUNCED, stale)}  # noqa: C416
    limits = {f"limit_{q}": max(0, ahead - announced.get(q.value, 0)) for q in Queue}
    found = [(Queue(queue), chunk_id) for queue, chunk_id in session.execute(_UNANNOUNCED, stale | limits)]
    if found:
        ids = [chunk_id for _, chunk_id in found]
        session.execute(update(ChunkRow).where(ChunkRow.id.in_(ids)).values(published_s=now_s()))
    return found


def forget_published(session: Session, chunk_ids: Sequence[int]) -> None:
    """Say that nobody could be told of these chunks after all."""
    session.execute(update(ChunkRow).where(ChunkRow.id.in_(chunk_ids)).values(published_s=None))


def of_job(session: Session, job_id: int) -> list[Chunk]:
    """The chunks of a job, in order."""
    rows = session.scalars(select(ChunkRow).where(ChunkRow.job_id == job_id).order_by(ChunkRow.position))
    return [_chunk(row) for row in rows]


def issues(session: Session, job_id: int, limit: int = 1000, offset: int = 0) -> list[Issue]:
    """Why items of a job were skipped or failed, in order."""
    statement = select(JobIssueRow).where(JobIssueRow.job_id == job_id).order_by(JobIssueRow.id)
    rows = session.scalars(statement.limit(limit).offset(offset))
    return [Issue(row.item, ItemOutcome(row.outcome), row.reason) for row in rows]


def count_issues(session: Session, job_id: int) -> int:
    """How many items of a job were skipped or failed, as far as they are known one by one."""
    return (
        session.scalar(select(func.count()).select_from(JobIssueRow).where(JobIssueRow.job_id == job_id)) or 0
    )


def _add_issues(session: Session, chunk: Chunk, issues: Iterable[Issue]) -> None:
    rows = [
        {
            "job_id": chunk.job_id,
            "chunk_id": chunk.id,
            "item": issue.item,
            "outcome": issue.outcome.value,
            "reason": issue.reason,
        }
        for issue in issues
    ]
    if rows:
        session.execute(insert(JobIssueRow), rows)


def _owned(chunk_id: int, owner: str | None) -> ColumnElement[bool]:
    return and_(ChunkRow.id == chunk_id, ChunkRow.owner == owner, ChunkRow.state == JobState.RUNNING)


def _chunk(row: ChunkRow) -> Chunk:
    return Chunk(
        id=row.id,
        job_id=row.job_id,
        position=row.position,
        kind=row.kind,
        queue=Queue(row.queue),
        payload=row.payload,
        state=JobState(row.state),
        attempts=row.attempts,
        owner=row.owner,
        lease_until_s=row.lease_until_s,
        error=row.error,
        total=row.total,
        done=row.done,
        skipped=row.skipped,
        failed=row.failed,
    )
