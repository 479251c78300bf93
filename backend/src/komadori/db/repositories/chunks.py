"""Chunks of jobs: what one worker does in one transaction.

A chunk is claimed by one conditional update and finished by another that names its
owner. Whoever has lost the lease in between changes nothing: that is the fence.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Subquery, and_, bindparam, func, insert, or_, select, union_all, update
from sqlalchemy.orm import Session

from komadori.core.types import Chunk, ItemOutcome, JobState, JsonDict, Queue
from komadori.db.repositories import jobs
from komadori.db.repositories.statements import n_changed
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
    """The oldest queued chunks of a queue that were not announced since ``since_<queue>``."""
    is_unknown = or_(ChunkRow.published_s.is_(None), ChunkRow.published_s < bindparam(f"since_{queue}"))
    return (
        select(ChunkRow.queue, ChunkRow.id)
        .where(ChunkRow.queue == queue.value, ChunkRow.state == JobState.QUEUED.value, is_unknown)
        .order_by(ChunkRow.id)
        .limit(bindparam(f"limit_{queue}"))
        .subquery()
    )


_BUSY_QUEUES = select(ChunkRow.queue).where(ChunkRow.state == JobState.RUNNING.value).distinct()
_ANNOUNCED = (
    select(ChunkRow.queue, func.count())
    .where(
        ChunkRow.state == JobState.QUEUED.value,
        or_(
            *(and_(ChunkRow.queue == q.value, ChunkRow.published_s >= bindparam(f"since_{q}")) for q in Queue)
        ),
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
    """Take a queued chunk, or one whose lease has run out; None when there is nothing to take."""
    now = time.time()
    is_free = or_(
        ChunkRow.state == JobState.QUEUED,
        and_(ChunkRow.state == JobState.RUNNING, ChunkRow.lease_until_s < now),
    )
    row = session.execute(
        update(ChunkRow)
        .where(ChunkRow.id == chunk_id, is_free, ChunkRow.attempts < max_attempts)
        .values(
            state=JobState.RUNNING,
            attempts=ChunkRow.attempts + 1,
            owner=owner,
            lease_until_s=now + lease_s,
            error=None,
            done=0,
            skipped=0,
            failed=0,
        )
        .returning(ChunkRow)
    ).scalar_one_or_none()
    if row is None:
        return None
    session.execute(
        update(JobRow)
        .where(JobRow.id == row.job_id)
        .values(state=JobState.RUNNING, started_s=func.coalesce(JobRow.started_s, now))
    )
    return _chunk(row)


def renew(session: Session, chunk_id: int, owner: str, lease_s: float, done: int) -> bool | None:
    """Extend the lease and report progress: whether to cancel, or None when the lease is lost."""
    result = session.execute(
        update(ChunkRow)
        .where(_owned(chunk_id, owner))
        .values(lease_until_s=time.time() + lease_s, done=done)
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
) -> bool:
    """End a chunk that is still owned; False (and nothing changed) when it is not.

    A chunk that should be queued again is cancelled instead when its job is.
    """
    job = jobs.lock(session, chunk.job_id)
    if state == JobState.QUEUED and job.is_cancel_requested:
        state = JobState.CANCELLED
    result = session.execute(
        update(ChunkRow)
        .where(_owned(chunk.id, owner))
        .values(
            state=state,
            owner=None,
            lease_until_s=None,
            published_s=None,
            error=error,
            done=counts.done,
            skipped=counts.skipped,
            failed=counts.failed,
        )
    )
    if n_changed(result) == 0:
        return False
    _add_issues(session, chunk, issues)
    return True


def release(session: Session, chunk_id: int, owner: str) -> None:
    """Let the lease of a chunk run out at once, because its owner is known to be gone."""
    session.execute(update(ChunkRow).where(_owned(chunk_id, owner)).values(lease_until_s=0.0))


def owned(session: Session) -> list[tuple[int, str]]:
    """The chunks that run, with their owners."""
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.owner).where(
            ChunkRow.state == JobState.RUNNING, ChunkRow.owner.is_not(None)
        )
    )
    return [(chunk_id, owner) for chunk_id, owner in rows if owner]


def requeue_expired(session: Session, max_attempts: int) -> list[Chunk]:
    """Queue chunks whose owner fell silent; set aside those that were started too often."""
    now = time.time()
    rows = session.scalars(
        select(ChunkRow).where(ChunkRow.state == JobState.RUNNING, ChunkRow.lease_until_s < now)
    ).all()
    for row in rows:
        is_poison = row.attempts >= max_attempts
        row.state = JobState.FAILED if is_poison else JobState.QUEUED
        row.owner, row.lease_until_s, row.published_s = None, None, None
        row.error = f"The worker was lost {row.attempts} times in a row." if is_poison else None
        row.done, row.skipped, row.failed = 0, 0, row.total if is_poison else 0
    session.flush()
    for job_id in {row.job_id for row in rows}:
        _finish_cancelled(session, job_id)
        jobs.settle(session, job_id)
    return [_chunk(row) for row in rows]


def take_unannounced(
    session: Session, ahead: int, stale_s: float, idle_stale_s: float
) -> list[tuple[Queue, int]]:
    """Chunks to announce now, by queue and id; they count as announced from now on.

    For each queue the oldest ones, as many as there must be for ``ahead`` of its queued
    chunks to be announced. A hint counts as lost after ``stale_s``, and already after
    ``idle_stale_s`` when nothing of its queue runs.
    """
    now = time.time()
    busy = set(session.scalars(_BUSY_QUEUES))
    since = {f"since_{q}": now - (stale_s if q.value in busy else idle_stale_s) for q in Queue}
    announced = {queue: n for queue, n in session.execute(_ANNOUNCED, since)}  # noqa: C416
    limits = {f"limit_{q}": max(0, ahead - announced.get(q.value, 0)) for q in Queue}
    found = [(Queue(queue), chunk_id) for queue, chunk_id in session.execute(_UNANNOUNCED, since | limits)]
    if found:
        ids = [chunk_id for _, chunk_id in found]
        session.execute(update(ChunkRow).where(ChunkRow.id.in_(ids)).values(published_s=now))
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


def _owned(chunk_id: int, owner: str) -> ColumnElement[bool]:
    return and_(ChunkRow.id == chunk_id, ChunkRow.owner == owner, ChunkRow.state == JobState.RUNNING)


def _finish_cancelled(session: Session, job_id: int) -> None:
    job = jobs.lock(session, job_id)
    if job.is_cancel_requested:
        session.execute(
            update(ChunkRow)
            .where(ChunkRow.job_id == job_id, ChunkRow.state == JobState.QUEUED)
            .values(state=JobState.CANCELLED)
        )


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
