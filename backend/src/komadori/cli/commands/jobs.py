"""Commands for long work: jobs list, show, watch, pause, resume, cancel, retry."""

from typing import Annotated

import typer

from komadori.cli import following, output
from komadori.cli.answers import Job
from komadori.cli.options import JobId, Json, OneProject, connect
from komadori.core.types import JobState

app = typer.Typer(
    help="See, stop and repeat long work.", invoke_without_command=True, rich_markup_mode="rich"
)

_SHOWN = 20


@app.callback()
def jobs(ctx: typer.Context, as_json: Json = False) -> None:
    """See, stop and repeat long work; alone, the list of jobs."""
    if ctx.invoked_subcommand is None:
        _list(None, None, as_json=as_json)


@app.command("list")
def list_jobs(
    project: OneProject = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=f"How many; {_SHOWN}, all with --json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the jobs, newest first."""
    _list(project, limit, as_json=as_json)


@app.command()
def show(job_id: JobId, as_json: Json = False) -> None:
    """Show a job, its chunks, and what did not go through."""
    with connect() as api:
        job = api.whole_job(job_id) if as_json else api.job(job_id)
        issues = [] if as_json else api.issues(job_id, limit=_SHOWN)
        held_up = [] if as_json or job.state.is_terminal else following.hindrances(api, [job])
    if as_json:
        output.print_json(job.as_json())
        return
    _show(job)
    for issue in issues:
        output.line(f"  {issue.item}: {issue.reason}")
    for hindrance in held_up:
        output.line(hindrance.text)


@app.command()
def watch(
    job_id: Annotated[str | None, typer.Argument(metavar="ID", help="The job; all when not given.")] = None,
    as_json: Json = False,
) -> None:
    """Wait for a job and those that it started; exit 1 when it fails."""
    with connect() as api:
        if job_id is not None:
            waited = [api.job(job_id)]
        else:
            waited = [job for job in api.jobs() if not job.state.is_terminal][::-1]
        ended = following.follow(api, waited)
    if as_json:
        output.print_json(ended[0].as_json() if job_id else [_brief(job) for job in ended])
    else:
        output.line(following.summary(ended) or "Nothing is running.")
    following.check(ended)


@app.command()
def pause(job_id: JobId, as_json: Json = False) -> None:
    """Let a job and those that it started rest; what is finished is kept."""
    with connect() as api:
        job = api.job(api.pause_job(job_id).id)
    _answer(job, as_json=as_json)
    output.next_step(f"Next: komadori jobs resume {job_id}")


@app.command()
def resume(job_id: JobId, as_json: Json = False) -> None:
    """Let a paused job and those that it started go on."""
    with connect() as api:
        job = api.job(api.resume_job(job_id).id)
    _answer(job, as_json=as_json)
    output.next_step(f"Next: komadori jobs watch {job_id}")


@app.command()
def cancel(job_id: JobId, as_json: Json = False) -> None:
    """Stop a job; what is finished is kept."""
    with connect() as api:
        job = api.job(api.cancel_job(job_id).id)
    _answer(job, as_json=as_json)


@app.command()
def retry(job_id: JobId, as_json: Json = False) -> None:
    """Do again what failed, was cancelled or was set aside in a job; a paused one goes on."""
    with connect() as api:
        job = api.job(api.retry_job(job_id).id)
    _answer(job, as_json=as_json)
    output.next_step(f"Next: komadori jobs watch {job_id}")


def _list(project: str | None, limit: int | None, *, as_json: bool) -> None:
    with connect() as api:
        found = api.jobs(project, limit if as_json else limit or _SHOWN)
    if as_json:
        output.print_json([_brief(job) for job in found])
        return
    rows = [
        [job.id, job.kind, job.state.value, f"{job.n_ended:,}/{job.total:,}", _remark(job)] for job in found
    ]
    output.table([">ID", "KIND", "STATE", ">ITEMS", "REMARK"], rows)


def _brief(job: Job) -> dict[str, object]:
    """A job as in a list, without its chunks."""
    return {name: value for name, value in job.as_json().items() if name != "chunks"}


def _remark(job: Job) -> str:
    if job.state == JobState.FAILED:
        return following.first_error(job)
    return following.pace(job) if not job.state.is_terminal or job.skipped or job.failed else ""


def _answer(job: Job, *, as_json: bool) -> None:
    if as_json:
        output.print_json(job.as_json())
    else:
        output.line(f"Job {job.id} ({job.kind}) is {job.state.value}: {job.n_ended:,} of {job.total:,}.")


def _show(job: Job) -> None:
    output.line(
        f"Job {job.id} ({job.kind}) is {job.state.value}: {job.done:,} done, {job.skipped:,} skipped, "
        f"{job.failed:,} failed, of {job.total:,}."
    )
    if job.state == JobState.FAILED:
        output.line(following.first_error(job))
    for name, value in job.result.items():
        output.line(f"  {name}: {value}")
    output.line()
    rows = [
        [
            str(chunk.position),
            chunk.kind,
            chunk.queue,
            chunk.state.value,
            str(chunk.attempts),
            f"{chunk.done + chunk.skipped + chunk.failed:,}/{chunk.total:,}",
            chunk.error or "",
        ]
        for chunk in job.chunks
    ]
    output.table([">CHUNK", "KIND", "QUEUE", "STATE", ">ATTEMPTS", ">ITEMS", "ERROR"], rows)
    if job.n_chunks > len(job.chunks):
        output.line(f"… and {job.n_chunks - len(job.chunks):,} more; --json lists all.")
