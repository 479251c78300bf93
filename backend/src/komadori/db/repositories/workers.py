"""Which worker processes have reported lately."""

import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from komadori.core.types import Queue, WorkerState
from komadori.db.tables import WorkerRow


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
    session.merge(
        WorkerRow(name=name, queue=queue.value, state=state.value, detail=detail, seen_s=time.time())
    )


def forget(session: Session, name: str) -> None:
    """Say that a worker has left."""
    session.execute(delete(WorkerRow).where(WorkerRow.name == name))


def seen_since(session: Session, since_s: float) -> list[Worker]:
    """The workers that have reported since then, by queue."""
    rows = session.scalars(
        select(WorkerRow).where(WorkerRow.seen_s >= since_s).order_by(WorkerRow.queue, WorkerRow.name)
    )
    return [
        Worker(row.name, Queue(row.queue), WorkerState(row.state), row.detail, row.seen_s) for row in rows
    ]
