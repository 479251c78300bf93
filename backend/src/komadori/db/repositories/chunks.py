"""Chunks of jobs: what one worker does in one transaction.

A chunk is claimed by one conditional update and finished by another that names its
owner. Whoever has lost the lease in between changes nothing: that is the fence.

On PostgreSQL others change the same job meanwhile. Every change of a chunk's state holds
the lock of the job (:func:`jobs.lock`), so that what is read of its chunks still holds when
the job is settled by it. Hints are taken last, of chunks that nobody has locked.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from komadori.core.types import Chunk, ItemOutcome, JobState, JsonDict, Queue
from komadori.db.repositories import jobs, workers
from komadori.db.repositories.statements import n_changed, now_s
from komadori.db.tables import ChunkCountRow, ChunkRow, JobIssueRow, JobRow


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk that is not in the database yet; ``total`` counts its items.

    ``deaths`` are inherited from the chunk of which it is a part.
    """

    kind: str
    queue: Queue
    payload: JsonDict
    total: int
    deaths: int = 0


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


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk that runs: whose it is, and whether its lease has run out or cannot be one."""

    chunk_id: int
    job_id: int
    owner: str
    is_expired: bool


def _to_announce(queue: Queue, *, is_lost: bool) -> ColumnElement[bool]:
    """Queued chunks that were never announced, or not in the last ``stale_<queue>`` seconds."""
    was_lost = and_(ChunkRow.published_s > 0, not_(_is_announced(queue)))  # the first leads to an index
    is_unknown = was_lost if is_lost else ChunkRow.published_s.is_(None)
    return and_(ChunkRow.queue == queue.value, ChunkRow.state == JobState.QUEUED.value, is_unknown)


def _next_jobs(queue: Queue) -> Subquery:
    """The jobs with chunks to announce, first the one whose last turn was longest ago.

    Turns are changed by nobody but who announces; those that somebody else is changing now are left out.
    """
    has_any = (
        select(ChunkRow.id)
        .where(ChunkRow.job_id == ChunkCountRow.job_id, _to_announce(queue, is_lost=is_lost))
        .order_by(ChunkRow.published_s)
        .limit(1)
        .scalar_subquery()
        .is_not(None)
        for is_lost in (False, True)
    )
    return (
        select(ChunkCountRow.queue, ChunkCountRow.job_id)
        .join(JobRow, JobRow.id == ChunkCountRow.job_id)
        .where(
            ChunkCountRow.queue == queue.value,
            ChunkCountRow.state == JobState.QUEUED.value,
            ChunkCountRow.n > text("0"),  # in the words of the index
            JobRow.state != JobState.PAUSED.value,
            or_(*has_any),
        )
        .order_by(ChunkCountRow.announced_s, ChunkCountRow.job_id)
        .limit(bindparam(f"limit_{queue}"))
        .with_for_update(skip_locked=True, of=ChunkCountRow)
        .subquery()
    )


def _next_chunks(queue: Queue) -> Select[int]:
    """The chunks of one job to announce, lost ones first, each kind in the order of an index."""
    parts = (
        select(ChunkRow.id)
        .where(ChunkRow.job_id == bindparam("job_id"), _to_announce(queue, is_lost=is_lost))
        .order_by(ChunkRow.published_s, ChunkRow.position)
        .limit(bindparam(f"limit_{queue}"))
        .with_for_update(skip_locked=True)
        .subquery()
        for is_lost in (True, False)
    )
    return select(union_all(*(select(part) for part in parts)).subquery().c.id)


def _is_announced(queue: Queue) -> ColumnElement[bool]:
    """Announced in the last ``stale_<queue>`` seconds, and not in the future, see ``_STEP_S``."""
    since_s = now_s() - bindparam(f"stale_{queue}", type_=Float)
    return ChunkRow.published_s.between(since_s, now_s() + _STEP_S)


_STEP_S = 5.0
"""What lies so far in the future was written before the clock of the database was set back."""

_IS_QUEUED = ChunkRow.state == JobState.QUEUED.value
_IS_RUNNING = and_(  # with all queues named, so that an index leads to these few
    ChunkRow.queue.in_([queue.value for queue in Queue]), ChunkRow.state == JobState.RUNNING.value
)
_BUSY_QUEUES = (
    select(ChunkCountRow.queue)
    .where(
        ChunkCountRow.queue.in_([queue.value for queue in Queue]),
        ChunkCountRow.state == JobState.RUNNING.value,
        ChunkCountRow.n > text("0"),
    )
    .distinct()
)
_ANNOUNCED = (
    select(ChunkRow.queue, func.count())
    .where(
        ChunkRow.state == JobState.QUEUED.value,
        or_(*(and_(ChunkRow.queue == q.value, _is_announced(q)) for q in Queue)),
    )
    .group_by(ChunkRow.queue)
)
_NEXT_JOBS = union_all(*(select(_next_jobs(queue)) for queue in Queue))
_NEXT_CHUNKS = {queue: _next_chunks(queue) for queue in Queue}
"""These run at the end of every chunk, so they are put together once."""


def add(session: Session, job_id: int, new: Sequence[NewChunk]) -> Sequence[int]:
    """Append chunks to a job, in order: their positions."""
    if not new:
        return ()
    jobs.lock(session, job_id)
    last = session.scalar(select(func.max(ChunkRow.position)).where(ChunkRow.job_id == job_id))
    start = 0 if last is None else last + 1
    session.execute(
        insert(ChunkRow).returning(ChunkRow.id),  # so that many rows go into one statement
        [
            {
                "job_id": job_id,
                "position": start + offset,
                "kind": chunk.kind,
                "queue": chunk.queue.value,
                "payload": chunk.payload,
                "state": JobState.QUEUED.value,
                "attempts": 0,
                "deaths": chunk.deaths,
                "total": chunk.total,
                "done": 0,
                "skipped": 0,
                "failed": 0,
            }
            for offset, chunk in enumerate(new)
        ],
    )
    return range(start, start + len(new))


def claim(session: Session, chunk_id: int, owner: str, lease_s: float, max_attempts: int) -> Chunk | None:
    """Take a queued chunk; None when there is nothing to take.

    Of a paused job nothing is taken; the hint that led to it counts no longer.
    What an unfinished chunk has done (see :func:`finish`) stays counted. One whose lease has run out
    is queued by the reaper first, which knows whether its owner lives.
    """
    job_id = session.scalar(select(ChunkRow.job_id).where(ChunkRow.id == chunk_id))
    if job_id is None:
        return None
    job = jobs.lock(session, job_id)
    if job.state == JobState.PAUSED:
        forget_published(session, [chunk_id])
        return None
    row = session.execute(
        update(ChunkRow)
        .where(ChunkRow.id == chunk_id, _IS_QUEUED, ChunkRow.attempts < max_attempts)
        .values(
            state=JobState.RUNNING,
            attempts=ChunkRow.attempts + 1,
            owner=owner,
            lease_until_s=now_s() + lease_s,
            error=None,
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
    """Extend the lease and report progress: whether to stop, or None when the lease is lost."""
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
    must_stop = or_(JobRow.is_cancel_requested, JobRow.state == JobState.PAUSED)
    return bool(session.scalar(select(must_stop).where(JobRow.id == result)))


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
    the job was only paused, or retried since: then the attempt does not count. One that is queued
    again without an error is unfinished: it has got on, so its attempts begin anew.
    A failed one failed with all of its items.
    """
    job = jobs.lock(session, chunk.job_id)
    is_stopped = state == JobState.CANCELLED and not job.is_cancel_requested
    begins_anew = state == JobState.QUEUED and error is None
    if is_stopped:
        counts, issues = Counts(done=chunk.done), ()
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
            attempts=0 if begins_anew else ChunkRow.attempts - int(is_stopped),
            deaths=0 if begins_anew or state == JobState.DONE else ChunkRow.deaths,
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


def held(session: Session, lease_s: float) -> list[Held]:
    """The chunks that run, oldest first."""
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.job_id, ChunkRow.owner, _is_over(lease_s))
        .where(_IS_RUNNING)
        .order_by(ChunkRow.id)
    )
    return [Held(chunk_id, job_id, owner or "", bool(expired)) for chunk_id, job_id, owner, expired in rows]


def lock_lost(session: Session, lost: Held, lease_s: float) -> Chunk | None:
    """A chunk of a locked job that still runs as it was seen; None when its owner has gone on since."""
    is_as_seen = _owned(lost.chunk_id, lost.owner)
    if lost.is_expired:
        is_as_seen = and_(is_as_seen, _is_over(lease_s))
    row = session.scalar(select(ChunkRow).where(is_as_seen).with_for_update())
    return None if row is None else _chunk(row)


def lose(
    session: Session, chunk: Chunk, state: JobState, counts: Counts, error: str, issues: Iterable[Issue] = ()
) -> None:
    """Take a chunk from an owner that is gone: one more death."""
    session.execute(
        update(ChunkRow)
        .where(ChunkRow.id == chunk.id)
        .values(
            state=state,
            owner=None,
            lease_until_s=None,
            published_s=None,
            error=error,
            deaths=chunk.deaths + 1,
            done=counts.done,
            skipped=counts.skipped,
            failed=counts.failed,
        )
    )
    _add_issues(session, chunk, issues)


def empty(session: Session, chunk: Chunk) -> None:
    """Say that the items of a chunk are counted in others now."""
    session.execute(update(ChunkRow).where(ChunkRow.id == chunk.id).values(total=0))


def forgive(session: Session, chunk_id: int) -> None:
    """Take back one death of a chunk, because the owner that had seemed dead lives."""
    session.execute(
        update(ChunkRow)
        .where(
            ChunkRow.id == chunk_id,
            ChunkRow.deaths > 0,
            ChunkRow.attempts > 0,
            ChunkRow.state.in_((JobState.QUEUED, JobState.RUNNING)),
        )
        .values(deaths=ChunkRow.deaths - 1, attempts=ChunkRow.attempts - 1)
    )


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

    For each queue as many as there must be for ``ahead`` of its queued chunks to be announced. Its
    jobs take turns, chunk by chunk, each in its own order. A hint counts as lost after ``stale_s``,
    and already after ``idle_stale_s`` when nothing of its queue runs. It never does while no worker
    of its queue is ready: nobody takes hints from the broker then, and each one more would stay there.
    """
    busy, ready = set(session.scalars(_BUSY_QUEUES)), workers.ready_queues(session)
    patience_s = {q: (stale_s if q in busy else idle_stale_s) if q in ready else math.inf for q in Queue}
    stale = {f"stale_{q}": seconds for q, seconds in patience_s.items()}
    announced = {queue: n for queue, n in session.execute(_ANNOUNCED, stale)}  # noqa: C416
    limits = {q: max(0, ahead - announced.get(q.value, 0)) for q in Queue}
    parameters = stale | {f"limit_{q}": limit for q, limit in limits.items()}
    waiting = [(Queue(queue), job_id) for queue, job_id in session.execute(_NEXT_JOBS, parameters)]
    found = []
    for queue in sorted({queue for queue, _ in waiting}):
        job_ids = [job_id for name, job_id in waiting if name == queue]
        found += [(queue, chunk_id) for chunk_id in _in_turns(session, queue, job_ids, parameters)]
    if found:
        ids = [chunk_id for _, chunk_id in found]
        session.execute(update(ChunkRow).where(ChunkRow.id.in_(ids)).values(published_s=now_s()))
    return found


def _in_turns(
    session: Session, queue: Queue, job_ids: Sequence[int], parameters: Mapping[str, float]
) -> list[int]:
    """As many chunks of a queue as may be announced, one of each job and then the next of each."""
    of_jobs = [
        [(turn, job_id, chunk_id) for turn, chunk_id in enumerate(rows)]
        for job_id in job_ids
        for rows in [session.scalars(_NEXT_CHUNKS[queue], {**parameters, "job_id": job_id})]
    ]
    taken = sorted(chain(*of_jobs), key=lambda chunk: chunk[0])[: int(parameters[f"limit_{queue}"])]
    session.execute(
        update(ChunkCountRow)
        .where(
            ChunkCountRow.queue == queue.value,
            ChunkCountRow.state == JobState.QUEUED.value,
            ChunkCountRow.job_id.in_({job_id for _, job_id, _ in taken}),
        )
        .values(announced_s=now_s())
    )
    return [chunk_id for _, _, chunk_id in taken]


def forget_published(session: Session, chunk_ids: Sequence[int]) -> None:
    """Say that nobody could be told of these chunks after all."""
    session.execute(update(ChunkRow).where(ChunkRow.id.in_(chunk_ids)).values(published_s=None))


def of_job(
    session: Session,
    job_id: int,
    *,
    limit: int | None = None,
    after_position: int = -1,
    state: JobState | None = None,
) -> list[Chunk]:
    """The chunks of a job, in order: all, or the first of those in a state and behind a position."""
    statement = select(ChunkRow).where(ChunkRow.job_id == job_id, ChunkRow.position > after_position)
    if state is not None:
        statement = statement.where(ChunkRow.state == state)
    return [_chunk(row) for row in session.scalars(statement.order_by(ChunkRow.position).limit(limit))]


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


def _is_over(lease_s: float) -> ColumnElement[bool]:
    """A lease that ends further ahead than any does was given before the clock was set back."""
    return or_(ChunkRow.lease_until_s < now_s(), ChunkRow.lease_until_s > now_s() + 3 * lease_s)


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
        deaths=row.deaths,
        owner=row.owner,
        lease_until_s=row.lease_until_s,
        error=row.error,
        total=row.total,
        done=row.done,
        skipped=row.skipped,
        failed=row.failed,
    )
