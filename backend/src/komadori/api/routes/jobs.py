"""Jobs: what long work asks for, how far it has come, and how to stop it or try it again."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page_of, position
from komadori.api.schemas import ROOT, Id, ProjectFilter
from komadori.core import types
from komadori.core.types import JobState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import projects
from komadori.services import jobs

router = APIRouter(prefix="/jobs", tags=["jobs"])

_CHILDREN_SHOWN = 1_000
_CHUNKS_SHOWN = 100
"""With the job itself; a large job has a hundred thousand, and is looked at four times a second."""

StateFilter = Annotated[JobState | None, Query(description="Only those in this state.")]
KindFilter = Annotated[str | None, Query(pattern="^[a-z_-]{1,40}$", description="Only jobs of this kind.")]


def accepted(job: types.Job, response: Response) -> answers.Job:
    """The answer to a request for long work: the job, and where to look for it."""
    response.headers["Location"] = f"{ROOT}{router.prefix}/{job.id}"
    return answers.Job.of(job)


@router.get("", responses=documented(404))
def list_jobs(
    ctx: Ctx,
    project: ProjectFilter = None,
    kind: KindFilter = None,
    state: StateFilter = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[answers.Job]:
    """Jobs, newest first, of one project or of all."""
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        found = job_rows.page(
            session,
            project_id=project_id,
            kind=kind,
            state=state,
            before_id=position(cursor),
            limit=limit + 1,
        )
        total = job_rows.count(session, project_id, kind, state)
    return page_of(found, limit, total, answers.Job.of, lambda job: job.id)


@router.get("/{job_id}", responses=documented(404))
def get_job(ctx: Ctx, job_id: Id) -> answers.JobDetail:
    """One job with its first 100 chunks and the jobs that it brought about."""
    with ctx.sessions.read() as session:
        job = job_rows.get(session, job_id)
        shares = job_rows.shares(session, job_id)
        chunks = chunk_rows.of_job(session, job_id, limit=_CHUNKS_SHOWN)
        children = job_rows.page(session, parent_id=job_id, limit=_CHILDREN_SHOWN)
    return answers.JobDetail.with_parts(job, shares, chunks, sorted(child.id for child in children))


@router.get("/{job_id}/chunks", responses=documented(404))
def list_chunks(
    ctx: Ctx, job_id: Id, state: StateFilter = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[answers.Chunk]:
    """The chunks of a job, in order."""
    last = position(cursor)
    with ctx.sessions.read() as session:
        job_rows.get(session, job_id)
        total = sum(s.n for s in job_rows.shares(session, job_id) if state in (None, s.state))
        found = chunk_rows.of_job(
            session, job_id, limit=limit + 1, after_position=-1 if last is None else last, state=state
        )
    return page_of(found, limit, total, answers.Chunk.of, lambda chunk: chunk.position)


@router.get("/{job_id}/issues", responses=documented(404))
def list_issues(
    ctx: Ctx, job_id: Id, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[answers.Issue]:
    """Why items of a job were skipped or failed, in the order in which that happened."""
    offset = position(cursor) or 0
    with ctx.sessions.read() as session:
        job_rows.get(session, job_id)
        found = chunk_rows.issues(session, job_id, limit + 1, offset)
        total = chunk_rows.count_issues(session, job_id)
    return page_of(found, limit, total, answers.Issue.of, lambda _issue: offset + limit)


@router.post("/{job_id}/cancel", responses=documented(404))
def cancel_job(ctx: Ctx, job_id: Id) -> answers.Job:
    """Stop a job; what is finished is kept."""
    return answers.Job.of(jobs.cancel(ctx, job_id))


@router.post("/{job_id}/pause", responses=documented(404, 409))
def pause_job(ctx: Ctx, job_id: Id) -> answers.Job:
    """Let a job and its children rest; what is finished is kept, what runs stops soon and begins anew."""
    return answers.Job.of(jobs.pause(ctx, job_id))


@router.post("/{job_id}/resume", responses=documented(404, 409))
def resume_job(ctx: Ctx, job_id: Id) -> answers.Job:
    """Let a paused job and its children go on where they stopped."""
    return answers.Job.of(jobs.resume(ctx, job_id))


@router.post("/{job_id}/retry", responses=documented(404))
def retry_job(ctx: Ctx, job_id: Id) -> answers.Job:
    """Queue again what failed or was cancelled; a paused job goes on."""
    return answers.Job.of(jobs.retry(ctx, job_id))
