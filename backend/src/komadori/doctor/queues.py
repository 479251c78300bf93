"""The checks of what runs: each queue has a worker that answers, and nothing is left undone.

A worker is asked twice. Its processes report to the database, which says whether they have their
model; and a message that does nothing goes through the broker to the process that does the work,
and comes back. A worker that is amid a chunk cannot take that message: then its parent process
is asked what it does, so that busy is never taken for dead. Both are done again until patience
ends, because on a machine out of breath a healthy worker may be silent for seconds.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import queues, workers
from komadori.db.repositories.workers import Worker
from komadori.db.session import Sessions, parse_url
from komadori.doctor import broker
from komadori.doctor.report import Result, fail, ok, skip, warn
from komadori.queueing.celery_queue import Roundtrip, RunningTask
from komadori.settings import Settings

QUEUE_DEADLINE_S = 45.0
"""Enough for all patience, and then a broker that answers nothing: a call is given up after ten seconds."""

_ANSWER_WITHIN_S = 5.0
_PATIENCE_S = 15.0
"""Less than a no-op lives, so it still waits for a worker that was only held up."""

_LONG_BUSY_S = 900.0
_START_ALL = "Start everything with `komadori up`, or the containers with `make up` or `make up-gpu`."


def check_queue(settings: Settings, queue: Queue, *, is_needed_here: bool = True) -> Result:
    """Whether a queue has a worker that takes a message and answers.

    Args:
        settings: Of the installation.
        queue: The queue.
        is_needed_here: Whether it is a fault when only workers of other queues run.
    """
    with broker.connection(settings) as client:
        client.ping()
    seen = reported(settings)
    own = [worker for worker in seen if worker.queue == queue]
    if own and not any(worker.state == WorkerState.READY for worker in own):
        return _unready(own[0])
    trip = Roundtrip(settings.effective_broker_url)
    with broker.told_errors(settings):
        if own or trip.running(queue):
            return _ask(trip, queue, own)
    return _no_worker(queue, seen, is_needed_here=is_needed_here)


def check_backlog(settings: Settings) -> Result:
    """How much waits in each queue, and whether chunks were given up."""
    if not _has_database(settings):
        return skip("there is no database yet")
    with closing(Sessions(settings.effective_database_url)) as sessions, sessions.read() as session:
        loads = queues.loads(session)
    waiting = [
        f"{load.queue} {load.chunks[JobState.QUEUED]} (oldest {load.oldest_queued_s or 0:.0f} s)"
        for load in loads
        if load.chunks.get(JobState.QUEUED)
    ]
    detail = f"chunks that wait: {', '.join(waiting)}" if waiting else "nothing waits"
    n_failed = sum(load.chunks.get(JobState.FAILED, 0) for load in loads)
    if not n_failed:
        return ok(detail)
    n_jobs = sum(load.jobs.get(JobState.FAILED, 0) for load in loads)
    return warn(
        f"{detail}; {n_failed} chunks of {n_jobs} jobs were given up",
        "See `komadori jobs` and `komadori jobs show ID` for the reason, then `komadori jobs retry ID`.",
    )


def _ask(trip: Roundtrip, queue: Queue, own: Sequence[Worker]) -> Result:
    """Send the message, and find out what the workers do as long as none takes it."""
    started_s = time.monotonic()
    key = trip.send(queue)
    while True:
        owner = trip.wait(key, _ANSWER_WITHIN_S)
        taken_s = time.monotonic() - started_s
        if owner is not None:
            return _answered(own, owner, taken_s)
        nodes = trip.running(queue)
        busy = [task for tasks in nodes.values() for task in tasks]
        if busy:
            return _busy(queue, busy)
        if taken_s >= _PATIENCE_S:
            return _unanswered(queue, own, nodes, taken_s)


def _unanswered(queue: Queue, own: Sequence[Worker], nodes: Collection[str], waited_s: float) -> Result:
    if nodes:
        return fail(
            f"{', '.join(nodes)} lives, but took no message within {waited_s:.0f} s",
            f"Restart the worker of the queue {queue}, and keep its log for a report.",
        )
    last_s = time.time() - max(worker.seen_s for worker in own) if own else waited_s
    return fail(
        f"a process reported {last_s:.0f} s ago, but its worker has answered nothing over the broker "
        f"for {waited_s:.0f} s",
        f"Check that the worker of the queue {queue} has the same KOMADORI_BROKER_URL; else restart it.",
    )


def _answered(own: Sequence[Worker], owner: str, taken_s: float) -> Result:
    """One process has answered; what the database knows of it and of the others."""
    ready = [worker for worker in own if worker.state == WorkerState.READY]
    detail = next((worker.detail for worker in own if worker.name == owner), "it does not report")
    detail = f"answered in {taken_s * 1000:.0f} ms, {detail}"
    detail += f", {len(ready)} processes" if len(ready) > 1 else ""
    unready = [worker for worker in own if worker.state != WorkerState.READY]
    if unready:
        other = _unready(unready[0])
        return warn(f"{detail}; {len(unready)} more cannot work yet: {other.detail}", other.remedy)
    if taken_s >= _ANSWER_WITHIN_S:
        return warn(
            f"{detail}: the worker is well, but slow to answer",
            "Look again when the machine has less to do; `top` and `docker stats` show what keeps it busy.",
        )
    return ok(detail)


def _busy(queue: Queue, tasks: Sequence[RunningTask]) -> Result:
    longest = min(tasks, key=lambda task: task.started_s or time.time())
    busy_s = time.time() - (longest.started_s or time.time())
    what = longest.name if longest.chunk_id is None else f"chunk {longest.chunk_id}"
    detail = f"busy with {what} for {busy_s:.0f} s, and answers pings"
    if busy_s < _LONG_BUSY_S:
        return ok(detail)
    return warn(
        detail,
        f"When that is too long for one chunk, restart the worker of the queue {queue}: it is resumed.",
    )


def _unready(worker: Worker) -> Result:
    if worker.state == WorkerState.LOADING:
        return warn(worker.detail, "Wait until the model is loaded, and look again.")
    return warn(
        f"it takes nothing from its queue, {worker.detail}",
        "Do what it says, or wait while its model is fetched: `komadori jobs watch ID` shows how far it is.",
    )


def _no_worker(queue: Queue, seen: Sequence[Worker], *, is_needed_here: bool) -> Result:
    if not seen:
        return warn("no worker runs at all", _START_ALL)
    detail, remedy = (
        "no worker runs",
        f"Start one with `komadori worker {queue}`, or see its container's log.",
    )
    return fail(detail, remedy) if is_needed_here else warn(detail, remedy)


def reported(settings: Settings) -> list[Worker]:
    """The processes of all queues that reported lately."""
    if not _has_database(settings):
        return []
    with closing(Sessions(settings.effective_database_url)) as sessions, sessions.read() as session:
        return workers.living(session)


def _has_database(settings: Settings) -> bool:
    url = parse_url(settings.effective_database_url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
