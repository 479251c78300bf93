"""Commands for videos and their frames: add, videos, frames, verify, proxy, delete, embed, projects."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from komadori.cli import following, output, uploading
from komadori.cli.answers import Job
from komadori.cli.client import ApiClient
from komadori.cli.options import (
    DEFAULT_PROJECT,
    Json,
    OneProject,
    OneVideo,
    ProjectName,
    Wait,
    connect,
)
from komadori.core.errors import DependencyError, KomadoriError
from komadori.core.types import JsonDict

_SHOWN = 50

Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help=f"How many; {_SHOWN}, all with --json.")
]


def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Video files.", readable=False)],
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", show_default="1", help="A frame every so many seconds.")
    ] = None,
    fps: Annotated[
        str | None, typer.Option(metavar="N", help="So many frames a second: 2, 30000/1001.")
    ] = None,
    keyframes: Annotated[bool, typer.Option("--keyframes", help="The key frames only; the fastest.")] = False,
    all_frames: Annotated[bool, typer.Option("--all-frames", help="Every frame.")] = False,
    skip_near_duplicates: Annotated[
        bool, typer.Option("--skip-near-duplicates", help="Leave out frames that show nothing new.")
    ] = False,
    upload: Annotated[
        bool | None,
        typer.Option(
            "--upload/--by-path",
            show_default="by path when the API runs on this machine",
            help="Send the files to the API, or only say where its machine finds them.",
        ),
    ] = None,
    project: ProjectName = DEFAULT_PROJECT,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Add videos: take their frames and make them searchable.

    A file that was added before is recognised; another sampling of it adds frames. A file that is sent and
    was interrupted goes on where it stopped when the same command is run again.
    """
    sampler, parameters = _sampling(every, fps, keyframes=keyframes, all_frames=all_frames)
    with connect() as api:
        added = [
            (
                path,
                _add_one(
                    api,
                    path.absolute(),
                    is_sent=not api.is_here if upload is None else upload,
                    project=project,
                    sampler=sampler,
                    sampler_parameters=parameters,
                    skip_near_duplicates=skip_near_duplicates,
                ),
            )
            for path in paths
        ]
        families = _finish(api, added) if wait else {}
        _report(added, families, as_json=as_json)
    if not wait and any(isinstance(result, Job) for _, result in added):
        output.next_step("Next: komadori jobs watch, then komadori search TEXT")
    if any(_has_failed(result, families) for _, result in added):
        raise typer.Exit(1)


def videos(project: OneProject = None, as_json: Json = False) -> None:
    """List the videos."""
    with connect() as api:
        found = api.videos(project)
    if as_json:
        output.print_json([video.as_json() for video in found])
        return
    rows = [
        [
            video.id,
            video.name,
            output.clock(video.duration_s),
            f"{video.width}x{video.height}",
            f"{video.frames:,}",
            video.state,
        ]
        for video in found
    ]
    output.table([">ID", "NAME", ">DURATION", ">SIZE", ">FRAMES", "STATE"], rows)
    if not found:
        output.next_step("No videos yet. Next: komadori add PATH --wait")


def frames(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video's id.")],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the frames of a video: the ledger."""
    with connect() as api:
        if as_json:
            output.print_json([frame.as_json() for frame in api.frames(video, limit)])
            return
        found = api.frames(video, limit or _SHOWN)
        total = api.count_frames(video)
    rows = [
        [
            frame.id,
            f"{frame.index:,}",
            output.clock(frame.pts_s),
            str(frame.pts),
            frame.time_base,
            f"{frame.width}x{frame.height}",
        ]
        for frame in found
    ]
    output.table([">ID", ">INDEX", ">TIME", ">PTS", ">TIME BASE", ">SIZE"], rows)
    if total > len(found):
        output.note(f"The first {len(found):,} of {total:,} frames; --limit N shows more.")


def verify(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video's id.")], as_json: Json = False
) -> None:
    """Take the stored frames from the source again and compare them with the ledger."""
    with connect() as api:
        jobs = following.follow(api, [api.verify(video)])
        job, issues = jobs[0], api.issues(jobs[0].id, limit=20)
    if as_json:
        output.print_json(job.as_json())
    else:
        output.line(f"{output.count(job.done, 'frame')} of video {video} agree with the source.")
        for issue in issues:
            output.line(f"  {issue.item}: {issue.reason}")
    following.check(jobs)
    if job.skipped or job.failed:
        raise typer.Exit(1)


def proxy(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video's id.")],
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Make a copy of a video that browsers play, frame for frame the same."""
    with connect() as api:
        report_job(api, api.proxy(video), wait=wait, as_json=as_json)


def delete(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video's id.")],
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Delete a video with its frames, annotations and vectors, for good.

    A file that was uploaded goes with its last video; one that was added by its path stays where it is.
    """
    with connect() as api:
        if not is_sure:
            _ask_before_deletion(api, video)
        report_job(api, api.delete_video(video), wait=wait, as_json=as_json)


def _ask_before_deletion(api: ApiClient, video_id: str) -> None:
    if not (sys.stdin.isatty() and output.is_watched()):
        raise typer.BadParameter("nobody can be asked here; say that it is meant with --yes")
    video = api.video(video_id)
    n_annotations = api.count_annotations({"video_id": video_id})
    lost = f"{output.count(video.frames, 'frame')} and {output.count(n_annotations, 'annotation')}"
    typer.confirm(f"Delete video {video.id}, {video.name}, with {lost}?", abort=True, err=True)


def embed(
    project: ProjectName = DEFAULT_PROJECT,
    video: OneVideo = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Make frames searchable that are not yet, as after a change of the model."""
    with connect() as api:
        report_job(api, api.embed(project, video), wait=wait, as_json=as_json)


def projects(as_json: Json = False) -> None:
    """List the projects."""
    with connect() as api:
        found = api.projects()
    if as_json:
        output.print_json([project.as_json() for project in found])
        return
    output.table([">ID", "NAME"], [[project.id, project.name] for project in found])


def report_job(api: ApiClient, job: Job, *, wait: bool, as_json: bool) -> Job:
    """Print a job, at its end when that is waited for: the job as it is then.

    Raises:
        JobFailedError: It was waited for and did not end well.
    """
    jobs = following.follow(api, [job]) if wait else [job]
    if as_json:
        output.print_json(api.job(job.id).as_json())
    elif wait:
        output.line(following.summary(jobs))
    else:
        output.line(f"Job {job.id} ({job.kind}) is {job.state.value}: {output.count(job.total, 'frame')}.")
        output.next_step(f"Next: komadori jobs watch {job.id}")
    if wait:
        following.check(jobs)
    return jobs[0]


def _sampling(
    every: float | None, fps: str | None, *, keyframes: bool, all_frames: bool
) -> tuple[str, JsonDict]:
    """The sampler's name and its parameters, of which at most one way is given."""
    ways: list[tuple[str, JsonDict]] = []
    if every is not None:
        ways.append(("every", {"seconds": every}))
    if fps is not None:
        ways.append(("fps", {"rate": fps}))
    if keyframes:
        ways.append(("keyframes", {}))
    if all_frames:
        ways.append(("all_frames", {}))
    if len(ways) > 1:
        raise typer.BadParameter("give only one of --every, --fps, --keyframes and --all-frames")
    return ways[0] if ways else ("every", {"seconds": 1.0})


def _add_one(api: ApiClient, path: Path, *, is_sent: bool, **request: Any) -> Job | KomadoriError:
    """The job of a file, or why it was refused: the other files are added all the same."""
    try:
        return api.add_video(uploading.upload(api, path) if is_sent else path, **request)
    except DependencyError:
        raise  # nothing answers, so no other file can be added either
    except KomadoriError as problem:
        return problem


def _finish(api: ApiClient, added: Sequence[tuple[Path, Job | KomadoriError]]) -> dict[str, list[Job]]:
    """Wait for all jobs: each with those that it started, by its id."""
    started = {result.id: path.name for path, result in added if isinstance(result, Job)}
    jobs = [result for _, result in added if isinstance(result, Job)]
    ended = following.follow(api, jobs, started) if jobs else []
    return {job_id: [job for job in ended if job_id in (job.id, job.parent_id)] for job_id in started}


def _has_failed(result: Job | KomadoriError, families: dict[str, list[Job]]) -> bool:
    return isinstance(result, KomadoriError) or _failure(families.get(result.id, [])) is not None


def _failure(family: Sequence[Job]) -> KomadoriError | None:
    try:
        following.check(family)
    except KomadoriError as problem:
        return problem
    return None


def _report(
    added: Sequence[tuple[Path, Job | KomadoriError]], families: dict[str, list[Job]], *, as_json: bool
) -> None:
    if as_json:
        output.print_json([_line_as_json(path, result, families) for path, result in added])
        return
    for path, result in added:
        if isinstance(result, KomadoriError):
            output.error(result)
            continue
        family = families.get(result.id)
        problem = _failure(family or [])
        if problem is not None:
            output.error(problem)
        elif family:
            video_id = family[0].result.get("video_id", "?")
            output.line(f"{path.name}: video {video_id} · {following.summary(family)}")
        else:
            output.line(f"{path.name}: queued as job {result.id}")


def _line_as_json(path: Path, result: Job | KomadoriError, families: dict[str, list[Job]]) -> JsonDict:
    if isinstance(result, KomadoriError):
        problem = {"code": result.code, "message": result.message, "hint": result.hint}
        return {"path": str(path), "job_id": None, "video_id": None, "state": "failed", "error": problem}
    family = families.get(result.id, [result])
    failure = _failure(family) if families else None
    return {
        "path": str(path),
        "job_id": result.id,
        "video_id": family[0].result.get("video_id"),
        "state": family[0].state.value if failure is None else "failed",
        "error": failure and {"code": failure.code, "message": failure.message, "hint": failure.hint},
    }
