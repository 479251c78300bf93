"""The tasks of every queue, and what a worker's child process keeps between them.

This module is imported by the parent and by every child; nothing happens at import but
the registration. The database is opened and the model loaded when a child starts.
"""

import logging
import signal
import threading
import time
from dataclasses import dataclass, field
from types import FrameType

from celery import Task, shared_task
from celery.signals import worker_process_init, worker_process_shutdown

from komadori.bootstrap import WorkerParts, configure_logging, open_context
from komadori.core import process_names
from komadori.core.errors import KomadoriError
from komadori.core.orphans import die_with_parent
from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.queueing.celery_queue import NOOP, RUN_CHUNK, RUN_QUERY, answer_noop, task_name
from komadori.services import jobs
from komadori.services.context import Context
from komadori.settings import Settings
from komadori.worker.reporting import REPORT_EVERY_S, report

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """A worker's child process: its connections, its model, and its sign of life."""

    queue: Queue
    ctx: Context
    parts: WorkerParts
    owner: str
    state: WorkerState = WorkerState.LOADING
    detail: str = "loading its model"
    has_left: threading.Event = field(default_factory=threading.Event)

    def report(self) -> None:
        """Say that this process lives, and how it is."""
        detail = "; ".join(filter(None, (self.detail, self.parts.remark)))
        report(self.ctx, self.owner, self.queue, self.state, self.parts.waiting or detail)

    def report_until_left(self) -> None:
        """Report every few seconds."""
        while True:
            self.report()
            if self.has_left.wait(REPORT_EVERY_S):
                return

    def load(self) -> None:
        """Load the model and open its index; as long as that fails, say why and try again, ever less often.

        Celery gives a child no task before this returns, so nothing fails for it meanwhile.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._become(WorkerState.READY, self.parts.load())
            except KomadoriError as error:
                self._become(WorkerState.WAITING, f"waiting for {self.parts.lacking}: {error}")
            else:
                return
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _become(self, state: WorkerState, detail: str) -> None:
        self.state, self.detail = state, detail
        self.report()
        _log.info("queue %s: %s", self.queue, detail)

    def leave(self) -> None:
        """Say that this process ends."""
        self.has_left.set()
        with self.ctx.sessions.write() as session:
            workers.forget(session, self.owner)


_child: Child | None = None


def current_child() -> Child:
    """The child that this process is."""
    if _child is None:
        raise RuntimeError("this process is no worker's child")
    return _child


def _start(sender: str, **_signal: object) -> None:
    global _child
    die_with_parent(_parent_pid(sender))
    settings = Settings()
    configure_logging(settings.log_level)
    queue = queue_of(sender)
    ctx = open_context(settings)
    child = Child(queue, ctx, WorkerParts(settings, queue, ctx), process_names.own_name())
    threading.Thread(target=child.report_until_left, name="report", daemon=True).start()
    child.load()
    _child = child
    signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    """A child that is told to end itself, as when a whole group is stopped, hands its chunk back."""
    raise SystemExit(0)


def _stop(**_signal: object) -> None:
    if _child is not None:
        _child.leave()


def node_name(queue: Queue, pid: int) -> str:
    """The name of a worker in Celery, from which its children know their queue."""
    return f"{queue.value}.{pid}@%h"


def queue_of(hostname: str) -> Queue:
    """The queue of a worker, from its name in Celery."""
    return Queue(hostname.partition(".")[0])


def _parent_pid(hostname: str) -> int:
    """The process id of a worker, from its name in Celery."""
    return int(hostname.partition(".")[2].partition("@")[0])


def _run_chunk(chunk_id: int) -> None:
    child = current_child()
    jobs.run_chunk(child.ctx, chunk_id, child.parts.work_by_kind(), child.owner)


def _run_query(query_id: int) -> None:
    current_child().parts.answer_query(query_id)


def _noop(task: Task, answer_key: str) -> None:
    """Shows that a queue has a consumer: it tells its name to whoever asked."""
    answer_noop(task.app, answer_key, current_child().owner)


worker_process_init.connect(_start)
worker_process_shutdown.connect(_stop)
for _queue in Queue:
    shared_task(name=task_name(_queue, RUN_CHUNK))(_run_chunk)
    shared_task(name=task_name(_queue, RUN_QUERY))(_run_query)
    shared_task(name=task_name(_queue, NOOP), bind=True)(_noop)
