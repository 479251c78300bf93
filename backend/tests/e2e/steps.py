"""What tests in the browser do again and again, and wait for."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, expect

from komadori.cli.answers import Annotation, Job, Video
from komadori.cli.client import ApiClient
from tests.support.browser import TIMEOUT_MS
from tests.support.running_up import RunningUp, wait_until

JOB_WITHIN_S = 180.0


def add_and_wait(system: RunningUp, project: str, path: Path, *, seconds: float = 0.5) -> Video:
    """A video whose frames are stored and can be searched."""
    with system.client() as client:
        job = start_adding(client, project, path, "every", seconds=seconds)
        wait_for_jobs(client, project)
        assert client.job(job.id).state == "done", client.job(job.id).error
        (video,) = [video for video in client.videos(project) if video.name == path.name]
        return video


def start_adding(client: ApiClient, project: str, path: Path, sampler: str, **parameters: float) -> Job:
    """The job that takes frames from a video."""
    return client.add_video(
        path,
        project=project,
        sampler=sampler,
        sampler_parameters=dict(parameters),
        skip_near_duplicates=False,
    )


def annotate_and_wait(system: RunningUp, project: str, prompts: Sequence[str]) -> None:
    """Proposals for these classes in all frames of a project."""
    with system.client() as client:
        client.annotate(prompts, {"project": project}, {})
        wait_for_jobs(client, project)


def wait_for_jobs(client: ApiClient, project: str) -> None:
    """Until no job of a project goes on."""
    ended = ("done", "failed", "cancelled")
    wait_until(lambda: all(job.state in ended for job in client.jobs(project)), JOB_WITHIN_S)


def wait_for(page: Page, condition: str) -> None:
    """Until a JavaScript function of no arguments says so; the page's policy forbids Playwright's own way."""
    wait_until(lambda: bool(page.evaluate(condition)), TIMEOUT_MS / 1000)


def add_coloured(system: RunningUp, project: str, path: Path) -> list[str]:
    """The frames of a short video, in their order, by id."""
    with system.client() as client:
        start_adding(client, project, path, "all_frames")
        wait_for_jobs(client, project)
        (video,) = client.videos(project)
        return [frame.id for frame in client.frames(video.id)]


def objects_of(system: RunningUp, frame_id: str) -> dict[str, Annotation]:
    """What is in a frame, by id."""
    with system.client() as client:
        return {one.id: one for one in client.annotations({"frame_id": frame_id})}


def wait_saved(page: Page) -> None:
    """Until all that was done in the page is on the server."""
    expect(page.get_by_text("All saved")).to_be_visible()
