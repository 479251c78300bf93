"""Jobs: requests for long work, done chunk by chunk. The database is the truth about them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, union_all, update
from sqlalchemy.orm import Session

from komadori.core.errors import ConflictError, NotFoundError
from komadori.core.types import Job, JobState, JsonDict, Queue, VideoState
from komadori.db.repositories.statements import n_changed
from komadori.db.tables import ChunkCountRow, ChunkRow, FrameRow, JobIssueRow, JobRow, ProjectRow, VideoRow

LIVE = tuple(state for state in JobState if not state.is_terminal)
"""The states of jobs that have not ended."""

_IS_SET_ASIDE = and_(ChunkRow.state == JobState.DONE, ChunkRow.deaths > 0, ChunkRow.total > 0)
"""The only item of these chunks was skipped because it ended its worker too often."""

_MAY_BE_RETRIED = or_(ChunkRow.state.in_((JobState.FAILED, JobState.CANCELLED)), _IS_SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Share:
    """How many chunks of a job are in a queue and state."""

    queue: Queue
    state: JobState
    n: int


def create(
    session: Session,
    kind: str,
    project_id: int,
    parameters: JsonDict,
    *,
    parent_id: int | None = None,
    is_open: bool = False,
) -> int:
    """A new queued job without chunks; an open one waits for more chunks before it can be done."""
    row = JobRow(
        kind=kind,
        project_id=project_id,
        parent_id=parent_id,
        parameters=parameters,
        result={},
        state=JobState.QUEUED,
        error=None,
        is_open=is_open,
        is_cancel_requested=False,
        created_s=time.time(),
        started_s=None,
        finished_s=None,
    )
    session.add(row)
    session.flush()
    return row.id


def settle(session: Session, job_id: int) -> JobState | None:
    """Give a job its final state when nothing of it is left to do; None while something is.

    Its open children are closed and settled with it.
    """
    job = lock(session, job_id)
    if job.is_open or JobState(job.state).is_terminal:
        return None
    states = {share.state for share in shares(session, job_id)}
    if any(state in states for state in LIVE):
        return None
    job.state = _final_state(states, job.is_cancel_requested)
    job.finished_s = time.time()
    if job.state == JobState.FAILED:
        job.error = _first_error(session, job_id)
    if "video_id" in job.result:
        _settle_video(session, int(job.result["video_id"]), job.error)
    for child_id in session.scalars(
        select(JobRow.id).where(JobRow.parent_id == job_id, JobRow.is_open)
    ).all():
        session.execute(update(JobRow).where(JobRow.id == child_id).values(is_open=False))
        settle(session, child_id)
    return JobState(job.state)


def set_result(session: Session, job_id: int, **values: object) -> None:
    """Merge values into the result of a job."""
    job = lock(session, job_id)
    job.result = {**job.result, **values}


def request_cancel(session: Session, job_id: int) -> None:
    """Cancel what is queued and ask what runs to stop; what is done stays."""
    job = lock(session, job_id)
    if JobState(job.state).is_terminal:
        return
    job.is_cancel_requested = True
    _let_go_on(session, job)
    cancel_queued(session, job_id)
    job.is_open = False
    session.flush()
    settle(session, job_id)


def cancel_queued(session: Session, job_id: int) -> None:
    """Cancel those chunks of a locked job that wait."""
    session.execute(
        update(ChunkRow)
        .where(ChunkRow.job_id == job_id, ChunkRow.state == JobState.QUEUED)
        .values(state=JobState.CANCELLED)
    )


def pause(session: Session, job_id: int) -> None:
    """Let no chunk of a job or of its children begin, and ask those that run to stop.

    Raises:
        ConflictError: The job has ended, or is about to.
    """
    _change_pause(session, job_id, _pause)


def resume(session: Session, job_id: int) -> None:
    """Let a paused job and its children go on; nothing changes for one that is not paused.

    Raises:
        ConflictError: The job has ended, or is about to.
    """
    _change_pause(session, job_id, _let_go_on)


def reopen(session: Session, job_id: int) -> int:
    """Queue the failed and cancelled chunks of a job again, and those set aside: how many there were.

    Those that run and were asked to stop go on, or are queued again when they have stopped.
    A paused job goes on.
    """
    job = lock(session, job_id)
    _let_go_on(session, job)
    retried = select(ChunkRow.id).where(ChunkRow.job_id == job_id, _MAY_BE_RETRIED)
    session.execute(delete(JobIssueRow).where(JobIssueRow.chunk_id.in_(retried)))
    fresh = dict.fromkeys(("attempts", "deaths", "done", "skipped", "failed"), 0)
    result = session.execute(
        update(ChunkRow)
        .where(ChunkRow.job_id == job_id, _MAY_BE_RETRIED)
        .values(state=JobState.QUEUED, error=None, published_s=None, **fresh)
    )
    if n_changed(result):
        job.state, job.error, job.finished_s = JobState.QUEUED, None, None
    if not JobState(job.state).is_terminal:
        job.is_cancel_requested = False
    return n_changed(result)


def open_child(session: Session, parent: Job, kind: str) -> int:
    """The child of that kind that still takes chunks, made when there is none: its id.

    That of a paused job begins paused.
    """
    row = lock(session, parent.id)
    found = session.scalar(
        select(JobRow.id).where(JobRow.parent_id == parent.id, JobRow.kind == kind, JobRow.is_open)
    )
    if found is not None:
        return found
    child_id = create(session, kind, parent.project_id, {}, parent_id=parent.id, is_open=True)
    if row.state == JobState.PAUSED:
        _pause(session, lock(session, child_id))
    return child_id


def find_open(session: Session, kind: str, project_id: int, parameters: JsonDict) -> int | None:
    """The job of that kind and with these parameters that has not ended, if there is one: its id.

    Until the transaction ends nobody else looks for one in this project, so that of several
    who ask at once only one makes a job.
    """
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))
    rows = session.scalars(
        select(JobRow).where(JobRow.kind == kind, JobRow.project_id == project_id, JobRow.state.in_(LIVE))
    )
    return next((row.id for row in rows if row.parameters == parameters), None)


def newest(session: Session, kind: str, parameters: JsonDict) -> Job | None:
    """The last job of that kind whose parameters have these values among them."""
    rows = session.scalars(select(JobRow).where(JobRow.kind == kind).order_by(JobRow.id.desc()))
    found = next((row.id for row in rows if parameters.items() <= row.parameters.items()), None)
    return None if found is None else get(session, found)


def newest_of_video(session: Session, kind: str, video_id: int) -> Job | None:
    """The last job of that kind for a video, which its parameters name."""
    statement = select(func.max(JobRow.id)).where(
        JobRow.kind == kind, JobRow.parameters["video_id"].as_integer() == video_id
    )
    found = session.scalar(statement)
    return None if found is None else get(session, found)


def live(session: Session, kind: str) -> list[Job]:
    """The jobs of that kind that have not ended, oldest first."""
    ids = session.scalars(select(JobRow.id).where(JobRow.kind == kind, JobRow.state.in_(LIVE)))
    return [get(session, job_id) for job_id in sorted(ids)]


def get(session: Session, job_id: int) -> Job:
    """A job with the sums of its chunks.

    Raises:
        NotFoundError: There is no such job.
    """
    found = page(session, job_ids=[job_id], limit=1)
    if not found:
        raise NotFoundError(f"There is no job {job_id}.", hint="`komadori jobs` lists them.")
    return found[0]


def page(
    session: Session,
    *,
    limit: int,
    before_id: int | None = None,
    project_id: int | None = None,
    kind: str | None = None,
    state: JobState | None = None,
    job_ids: Sequence[int] | None = None,
    parent_id: int | None = None,
    changed_since_s: float | None = None,
) -> list[Job]:
    """Jobs with the sums of their chunks, newest first."""
    conditions = _conditions(project_id, kind, state)
    if before_id is not None:
        conditions.append(JobRow.id < before_id)
    if job_ids is not None:
        conditions.append(JobRow.id.in_(job_ids))
    if parent_id is not None:
        conditions.append(JobRow.parent_id == parent_id)
    if changed_since_s is not None:
        conditions.append(or_(JobRow.finished_s.is_(None), JobRow.finished_s > changed_since_s))
    jobs = session.scalars(select(JobRow).where(*conditions).order_by(JobRow.id.desc()).limit(limit)).all()
    sums = _sums(session, [job.id for job in jobs])
    return [_job(row, sums.get(row.id, (0, 0, 0, 0))) for row in jobs]


def shares(session: Session, job_id: int) -> list[Share]:
    """Where the chunks of a job are, and in which state; takes no longer for many chunks."""
    rows = session.execute(
        select(ChunkCountRow.queue, ChunkCountRow.state, ChunkCountRow.n).where(
            ChunkCountRow.job_id == job_id, ChunkCountRow.n > 0
        )
    )
    return [Share(Queue(queue), JobState(state), n) for queue, state, n in rows]


def count(
    session: Session, project_id: int | None = None, kind: str | None = None, state: JobState | None = None
) -> int:
    """How many jobs there are."""
    conditions = _conditions(project_id, kind, state)
    return session.scalar(select(func.count()).select_from(JobRow).where(*conditions)) or 0


def lock(session: Session, job_id: int) -> JobRow:
    """The row of a job, which nobody else changes until the transaction ends.

    It stands for the job's chunks too: whoever changes the state of several takes it before them,
    that of a parent before those of its children. So no two transactions wait for each other.

    Raises:
        NotFoundError: There is no such job.
    """
    row = session.scalar(
        select(JobRow)
        .where(JobRow.id == job_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError(f"There is no job {job_id}.", hint="`komadori jobs` lists them.")
    return row


def _conditions(
    project_id: int | None, kind: str | None, state: JobState | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if project_id is not None:
        conditions.append(JobRow.project_id == project_id)
    if kind is not None:
        conditions.append(JobRow.kind == kind)
    if state is not None:
        conditions.append(JobRow.state == state)
    return conditions


def _change_pause(session: Session, job_id: int, change: Callable[[Session, JobRow], None]) -> None:
    """Change a live job, then its live children."""
    job = lock(session, job_id)
    if JobState(job.state).is_terminal or job.is_cancel_requested:
        how = f"has ended: it is {job.state}" if JobState(job.state).is_terminal else "is being cancelled"
        raise ConflictError(
            f"Job {job_id} {how}.",
            hint=f"Only a job that has not ended is paused or resumed; `komadori jobs retry {job_id}` does "
            "again what failed or was cancelled.",
            code="job-ended",
        )
    change(session, job)
    children = select(JobRow.id).where(JobRow.parent_id == job_id, JobRow.state.in_(LIVE))
    for child_id in session.scalars(children.order_by(JobRow.id)).all():
        child = lock(session, child_id)
        if not (JobState(child.state).is_terminal or child.is_cancel_requested):
            change(session, child)


def _pause(session: Session, job: JobRow) -> None:
    """Its hints count no longer, so that those of other jobs take their place."""
    job.state = JobState.PAUSED
    announced = and_(
        ChunkRow.job_id == job.id, ChunkRow.state == JobState.QUEUED, ChunkRow.published_s.is_not(None)
    )
    session.execute(update(ChunkRow).where(announced).values(published_s=None))


def _let_go_on(_session: Session, job: JobRow) -> None:
    if job.state == JobState.PAUSED:
        job.state = JobState.QUEUED if job.started_s is None else JobState.RUNNING


def _final_state(states: set[JobState], is_cancel_requested: bool) -> JobState:
    if JobState.FAILED in states:
        return JobState.FAILED
    if JobState.CANCELLED in states or (is_cancel_requested and not states):
        return JobState.CANCELLED
    return JobState.DONE


def _first_error(session: Session, job_id: int) -> str | None:
    return session.scalar(
        select(ChunkRow.error)
        .where(ChunkRow.job_id == job_id, ChunkRow.state == JobState.FAILED)
        .order_by(ChunkRow.position)
        .limit(1)
    )


def _settle_video(session: Session, video_id: int, error: str | None) -> None:
    """A video whose job has ended is ready with what was taken from it, if anything was."""
    has_frames = session.scalar(select(FrameRow.id).where(FrameRow.video_id == video_id).limit(1)) is not None
    state = VideoState.READY if has_frames or error is None else VideoState.FAILED
    session.execute(
        update(VideoRow)
        .where(VideoRow.id == video_id, VideoRow.state != VideoState.DELETING)
        .values(state=state, error=error)
    )


def _sums(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[int, int, int, int]]:
    """Items of each job: from the counts, and of chunks that run from their own rows."""
    if not job_ids:
        return {}
    counted = ("job_id", "total", "done", "skipped", "failed")
    parts = union_all(
        select(*(getattr(ChunkCountRow, name) for name in counted)).where(ChunkCountRow.job_id.in_(job_ids)),
        select(*(getattr(ChunkRow, name) for name in counted)).where(
            ChunkRow.job_id.in_(job_ids), ChunkRow.state == JobState.RUNNING
        ),
    ).subquery()
    job_id, *items = parts.c
    rows = session.execute(select(job_id, *map(func.sum, items)).group_by(job_id))
    return {job_id: (int(t), int(d), int(s), int(f)) for job_id, t, d, s, f in rows}


def _job(row: JobRow, sums: tuple[int, int, int, int]) -> Job:
    total, done, skipped, failed = sums
    return Job(
        id=row.id,
        kind=row.kind,
        project_id=row.project_id,
        parameters=row.parameters,
        state=JobState(row.state),
        total=total,
        done=done,
        skipped=skipped,
        failed=failed,
        error=row.error,
        result=row.result,
        parent_id=row.parent_id,
        is_cancel_requested=row.is_cancel_requested,
        created_s=row.created_s,
        started_s=row.started_s,
        finished_s=row.finished_s,
    )
