"""Waits for a job and the jobs that it started, and shows how far they are."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from komadori.cli import output
from komadori.cli.answers import Job
from komadori.cli.client import ApiClient
from komadori.core.errors import KomadoriError
from komadori.core.types import JobState, WorkerState

MODEL_PULL = "models.pull"
"""The kind of job whose items are MiB of a model."""

_POLL_S = 0.25
_LOOK_AFTER_S = 1.0
"""After so long without progress it is looked at what holds the work up, and again as often."""

_PATIENCE_S = 10.0
"""A queue without a worker is told of after so long: one may be starting."""


class JobFailedError(KomadoriError):
    """A job that was waited for did not end well."""

    default_code = "job-failed"


class Display(Protocol):
    """Shows jobs while they run."""

    def show(self, job: Job) -> None:
        """Show how far a job is."""


class LiveProgress:
    """Keeps a display of rich on the terminal while it is entered."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()


class Bars(LiveProgress):
    """A bar for each job on stderr: items done, rate, time left."""

    def __init__(self, names: dict[str, str] | None = None, *, is_transient: bool = False) -> None:
        super().__init__(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[pace]}"),
                console=output.console(stderr=True),
                transient=is_transient,
            )
        )
        self._names = names or {}
        self._tasks: dict[str, TaskID] = {}

    def show(self, job: Job) -> None:
        """Show how far a job is."""
        if job.id not in self._tasks:
            name = self._names.get(job.id, "")
            self._tasks[job.id] = self._progress.add_task(f"{job.kind:<9}{name}", total=None, pace="")
        total = job.total if job.total or job.state.is_terminal else None
        self._progress.update(self._tasks[job.id], total=total, completed=job.n_ended, pace=pace(job))


class NoDisplay:
    """Shows nothing."""

    def show(self, job: Job) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Following:
    """Jobs that are waited for, in the order in which they came up."""

    api: ApiClient
    display: Display
    jobs: dict[str, Job] = field(default_factory=dict)
    _changed_s: float = field(default_factory=time.monotonic)
    _look_again_s: float = 0.0
    _told: set[str] = field(default_factory=set)
    _looked_at: set[str] = field(default_factory=set)

    def poll(self) -> bool:
        """Look at every job once, and again until it has ended: whether one of them is left."""
        waiting = [
            job_id
            for job_id, job in self.jobs.items()
            if not job.state.is_terminal or job_id not in self._looked_at
        ]
        while waiting:
            job = self.api.job(waiting.pop(0))
            self._looked_at.add(job.id)
            if _has_moved(self.jobs.get(job.id), job):
                self._changed_s = time.monotonic()
            self.jobs[job.id] = job
            self.display.show(job)
            waiting += [child for child in job.children if child not in self.jobs and child not in waiting]
        self._say_what_holds_up()
        return any(not job.state.is_terminal for job in self.jobs.values())

    def _say_what_holds_up(self) -> None:
        """Say once for each reason why nothing moves."""
        now_s = time.monotonic()
        if now_s - self._changed_s < _LOOK_AFTER_S or now_s < self._look_again_s:
            return
        self._look_again_s = now_s + _LOOK_AFTER_S
        for hindrance in hindrances(self.api, list(self.jobs.values())):
            is_due = hindrance.is_certain or now_s - self._changed_s >= _PATIENCE_S
            if is_due and hindrance.topic not in self._told:
                self._told.add(hindrance.topic)
                output.note(hindrance.text)


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why work does not move, and what to do; ``topic`` is the same while it lasts.

    One that is not certain may pass in a moment: a worker may be starting.
    """

    text: str
    topic: str
    is_certain: bool


def hindrances(api: ApiClient, jobs: Sequence[Job]) -> list[Hindrance]:
    """What holds up jobs: that they are paused, no worker, or workers that wait for their model."""
    resting = {job.id for job in jobs if job.state == JobState.PAUSED}
    found = [_paused(job) for job in jobs if job.id in resting and job.parent_id not in resting]
    waiting = {queue for job in jobs if job.id not in resting for queue in job.waits_for}
    workers = api.workers() if waiting else []
    for queue in sorted(waiting):
        own = [worker for worker in workers if worker.queue == queue]
        if not own:
            text = (
                f"No worker for the queue {queue}: start one with `komadori worker {queue}` "
                "(in containers `make up-gpu` or `make up`)."
            )
            found.append(Hindrance(text, text, is_certain=False))
        elif all(worker.state == WorkerState.WAITING for worker in own):
            found.append(Hindrance(f"{queue}: {own[0].detail}", f"{queue}: {own[0].topic}", is_certain=True))
    return found


def _paused(job: Job) -> Hindrance:
    text = f"Job {job.id} ({job.kind}) is paused: `komadori jobs resume {job.id}` lets it go on."
    return Hindrance(text, text, is_certain=True)


def follow(
    api: ApiClient,
    jobs: Sequence[Job],
    names: dict[str, str] | None = None,
    *,
    is_transient: bool = False,
    display: AbstractContextManager[Display] | None = None,
) -> list[Job]:
    """Wait until the jobs and all that they started have ended; they, in the order of their start.

    Args:
        api: Where they run.
        jobs: What to wait for.
        names: What is said about a job, by its id.
        is_transient: Whether the bars vanish at the end.
        display: Shows them in another way than as bars of items.
    """
    bars = Bars(names, is_transient=is_transient) if output.is_watched() else None
    with display or bars or nullcontext(NoDisplay()) as shown:
        following = Following(api, shown, {job.id: job for job in jobs})
        while following.poll():
            time.sleep(_POLL_S)
    return list(following.jobs.values())


def check(jobs: Sequence[Job]) -> None:
    """Raise when a job did not end well.

    Raises:
        JobFailedError: One failed or was cancelled; the message is its own.
    """
    for job in jobs:
        if job.state == JobState.FAILED:
            raise JobFailedError(
                f"Job {job.id} ({job.kind}) failed: {first_error(job)}",
                hint=f"`komadori jobs show {job.id}` lists its parts, `komadori jobs retry {job.id}` "
                "tries again what failed.",
            )
        if job.state == JobState.CANCELLED:
            raise JobFailedError(
                f"Job {job.id} ({job.kind}) was cancelled after {output.count(job.n_ended, 'item')}.",
                hint=f"`komadori jobs retry {job.id}` goes on where it stopped.",
                code="job-cancelled",
            )


def first_error(job: Job) -> str:
    """Why a job failed, in one sentence or two."""
    own = (chunk.error for chunk in job.chunks if chunk.error and chunk.state == JobState.FAILED)
    return job.error or next(own, "no reason was recorded.")


def pace(job: Job) -> str:
    """How fast a job is and how long it will take, or how it ended."""
    if job.state.is_terminal:
        parts = [job.state.value]
        parts += [f"{job.skipped:,} skipped"] if job.skipped else []
        parts += [f"{job.failed:,} failed"] if job.failed else []
        return ", ".join(parts)
    if job.state in (JobState.QUEUED, JobState.PAUSED):
        return {JobState.QUEUED: "waiting", JobState.PAUSED: "paused"}[job.state]
    parts = []
    if job.rate_per_s:
        parts.append(f"{job.rate_per_s:.3g}/s")
    if job.seconds_left is not None:
        parts.append(f"{output.span(job.seconds_left)} left")
    return ", ".join(parts)


def summary(jobs: Sequence[Job]) -> str:
    """What jobs have done, in a line: ``ingest: 20 frames (1 skipped) · embed: 20 frames``."""
    parts = []
    for job in jobs:
        exceptions = [f"{n:,} {word}" for n, word in ((job.skipped, "skipped"), (job.failed, "failed")) if n]
        remark = f" ({', '.join(exceptions)})" if exceptions else ""
        done = f"{job.done:,} MiB" if job.kind == MODEL_PULL else output.count(job.done, "frame")
        parts.append(f"{job.kind}: {done}{remark}")
    return " · ".join(parts)


def _has_moved(before: Job | None, now: Job) -> bool:
    return before is None or (before.n_ended, before.state) != (now.n_ended, now.state)
