"""What a worker waits for before it takes any work: the database, and the model of its queue.

No Celery runs meanwhile, so nothing is taken from the queue, and no job loses time or an
attempt. The model is fetched by a job on the queue ``default``, which the worker asks for
itself where the settings allow that.
"""

import logging
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from komadori.bootstrap import checkpoint_of, model_store, open_context
from komadori.core import process_names
from komadori.core.errors import KomadoriError
from komadori.core.types import Job, JobState, Queue, WorkerState
from komadori.db import migrate
from komadori.db.repositories import workers
from komadori.db.session import Sessions
from komadori.ml.checkpoints import ModelStore
from komadori.services import jobs, models
from komadori.services.context import Context
from komadori.settings import Settings
from komadori.worker.heartbeat import beat
from komadori.worker.reporting import REPORT_EVERY_S, report

WAITING_FOR_MODEL = "waiting for model:"
"""How the detail of a worker begins that has no model; the reason and the remedy follow."""

_LOOK_EVERY_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 300.0, 3600.0
"""Between attempts of a download that failed; what a person starts meanwhile counts at once."""

_START_PATIENCE_S = 30.0
"""All parts start together, in any order."""

_FETCHABLE = {"model-not-pulled", "damaged-model"}

_log = logging.getLogger(__name__)


def wait_for_all(queue: Queue, settings: Settings) -> None:
    """Return when the worker can begin; SIGTERM and SIGINT end the process at once, with 0."""
    with _ended_by_signals():
        _wait_for_database(settings)
        source = checkpoint_of(settings, queue)
        if source is not None:
            _wait_for_model(queue, settings, source)


def _wait_for_database(settings: Settings) -> None:
    """Wait until whoever starts the API has brought the database to the newest schema."""
    said = ""
    while (reason := _lack_of_database(settings)) is not None:
        if reason != said:
            _log.warning("waiting for the database: %s", reason)
            said = reason
        _pause(settings)


def _lack_of_database(settings: Settings) -> str | None:
    try:
        sessions = Sessions(settings.effective_database_url)
        try:
            if migrate.is_newest(sessions):
                return None
            current = migrate.current_revision(sessions.engine)
        finally:
            sessions.close()
    except KomadoriError as error:
        return str(error)
    return (
        f"it has schema {current or 'none'}, this version needs {migrate.newest_revision()}; "
        "starting the API of this version (`komadori up`, `komadori api`) prepares it."
    )


def _wait_for_model(queue: Queue, settings: Settings, source: str) -> None:
    ctx = open_context(settings)
    reporter = _Report(ctx, queue)
    provision = Provision(ctx, model_store(settings), source, may_pull=_may_pull(settings))
    try:
        while (lack := provision.lack()) is not None:
            reporter.say(f"{WAITING_FOR_MODEL} {lack}")
            _pause(settings)
    finally:
        reporter.leave()
        ctx.sessions.close()


def _may_pull(settings: Settings) -> bool:
    return settings.pull_models and not settings.offline


@dataclass(slots=True)
class Provision:
    """Brings a model to this machine, or says what a person has to do for that.

    A download that failed is tried again when a person says so, when a worker starts, which is
    how another token comes in, and after a long pause.
    """

    ctx: Context
    store: ModelStore
    source: str
    may_pull: bool
    now_s: Callable[[], float] = time.monotonic
    _pause_s: float = _FIRST_PAUSE_S
    _next_try_s: float = 0.0

    def lack(self) -> str | None:
        """Why the model is not here yet and what to do; None when it is. Takes milliseconds."""
        try:
            self.store.resolve(self.source)
        except KomadoriError as error:
            if not self.may_pull or error.code not in _FETCHABLE:
                return str(error)
        else:
            return None
        try:
            return self._being_fetched()
        except KomadoriError as error:
            return str(error)

    def _being_fetched(self) -> str:
        model = models.hub_source(self.source)
        assert model is not None
        job = models.newest_pull(self.ctx, model)
        if job is None or (job.state in (JobState.FAILED, JobState.DONE) and self._is_time()):
            job = self._begin(job)
        return {
            JobState.QUEUED: self._queued,
            JobState.RUNNING: _running,
            JobState.PAUSED: _paused,
            JobState.CANCELLED: _cancelled,
            JobState.FAILED: self._failed,
            JobState.DONE: self._elsewhere,
        }[job.state](job)

    def _is_time(self) -> bool:
        return self._next_try_s <= self.now_s()

    def _begin(self, former: Job | None) -> Job:
        self._next_try_s = self.now_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if former is not None and former.state == JobState.FAILED:
            return jobs.retry(self.ctx, former.id)
        return models.request_pull(self.ctx, self.source)

    def _queued(self, job: Job) -> str:
        text = f"{job.parameters['source']} is to be fetched, job {job.id}"
        with self.ctx.sessions.read() as session:
            is_served = bool(workers.of_queue(session, Queue.DEFAULT))
        if is_served or time.time() - job.created_s < _START_PATIENCE_S:
            return text
        return f"{text}; the queue default has no worker: start one with `komadori worker default`"

    def _failed(self, job: Job) -> str:
        left_min = max(1, round((self._next_try_s - self.now_s()) / 60))
        return (
            f"{job.error} (job {job.id}; `komadori jobs retry {job.id}` tries at once, "
            f"else it is tried again in {left_min} min)"
        )

    def _elsewhere(self, job: Job) -> str:
        return (
            f"job {job.id} has fetched {job.parameters['source']}, but it is not in {self.store.root}. "
            "Let this worker and that of the queue default share one KOMADORI_MODELS, or run "
            f"`komadori models pull {self.source} --here` on this machine."
        )


def _running(job: Job) -> str:
    share, megabytes = job.done / max(1, job.total), job.total * 2**20 / 1e6
    size = f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"
    return f"{share:.0%} of {size}, job {job.id}"


def _paused(job: Job) -> str:
    return f"the download is paused; `komadori jobs resume {job.id}` goes on with it."


def _cancelled(job: Job) -> str:
    return f"the download was cancelled; `komadori jobs retry {job.id}` goes on with it."


@dataclass(slots=True)
class _Report:
    """Says in the table of workers that this process waits: on every change, and every few seconds."""

    ctx: Context
    queue: Queue
    name: str = field(default_factory=process_names.own_name)
    _said: str = ""
    _due_s: float = 0.0

    def say(self, detail: str) -> None:
        if _without_numbers(detail) != _without_numbers(self._said):
            _log.info("queue %s: %s", self.queue, detail)
        if detail == self._said and time.monotonic() < self._due_s:
            return
        self._said, self._due_s = detail, time.monotonic() + REPORT_EVERY_S
        report(self.ctx, self.name, self.queue, WorkerState.WAITING, detail)

    def leave(self) -> None:
        try:
            with self.ctx.sessions.write() as session:
                workers.forget(session, self.name)
        except KomadoriError as error:
            _log.warning("this worker could not say that it ends: %s", error)


def _without_numbers(detail: str) -> str:
    """What stays the same while a download gets on."""
    return re.sub(r"[\d.]+", "", detail)


def _pause(settings: Settings) -> None:
    beat(settings.heartbeat)
    time.sleep(_LOOK_EVERY_S)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
