"""Which worker processes have reported lately."""

import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from komadori.core.types import Queue, WorkerState
from komadori.db.repositories.statements import now_s, put
from komadori.db.tables import WorkerRow

SEEN_WITHIN_S = 15.0
"""Three times the interval at which workers report: who is silent for longer counts as gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process as it last reported; ``detail`` is for people."""

    name: str
    queue: Queue
    state: WorkerState
    detail: str
    seen_s: float


def report(session: Session, name: str, queue: Queue, state: WorkerState, detail: str) -> None:
    """Say that a worker lives, and how it is."""
    put(
        session,
        WorkerRow,
        {"name": name, "queue": queue.value, "state": state.value, "detail": detail, "seen_s": now_s()},
    )


def forget(session: Session, name: str) -> None:
    """Say that a worker has left."""
    session.execute(delete(WorkerRow).where(WorkerRow.name == name))


def of_queue(session: Session, queue: Queue) -> list[Worker]:
    """The living workers of a queue."""
    return [worker for worker in seen_since(session, time.time() - SEEN_WITHIN_S) if worker.queue == queue]


def seen_since(session: Session, since_s: float) -> list[Worker]:
    """The workers that have reported since then, by queue."""
    rows = session.scalars(select(WorkerRow).where(WorkerRow.seen_s >= since_s))
    found = [
        Worker(row.name, Queue(row.queue), WorkerState(row.state), row.detail, row.seen_s) for row in rows
    ]
    return sorted(found, key=lambda worker: (worker.queue, worker.name))
