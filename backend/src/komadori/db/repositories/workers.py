"""Which worker processes have reported lately."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from komadori.core.types import Queue, WorkerState
from komadori.db.repositories.statements import now_s, put
from komadori.db.tables import WorkerRow

SEEN_WITHIN_S = 15.0
"""Three times the interval at which workers report: who is silent for longer counts as gone."""

_KEPT_S = 3600.0
"""The row of a process that was killed is of no use; it stays for a while, for who looks into a fault."""


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


def forget_silent(session: Session) -> None:
    """Remove the rows of processes that ended without saying so."""
    session.execute(delete(WorkerRow).where(WorkerRow.seen_s < now_s() - _KEPT_S))


def forget_all(session: Session) -> None:
    """Remove the rows of all workers."""
    session.execute(delete(WorkerRow))


def living(session: Session) -> list[Worker]:
    """The workers that have reported lately by the clock of the database, by queue."""
    rows = session.scalars(select(WorkerRow).where(_is_alive()))
    found = [
        Worker(row.name, Queue(row.queue), WorkerState(row.state), row.detail, row.seen_s) for row in rows
    ]
    return sorted(found, key=lambda worker: (worker.queue, worker.name))


def of_queue(session: Session, queue: Queue) -> list[Worker]:
    """The living workers of a queue."""
    return [worker for worker in living(session) if worker.queue == queue]


def ready_queues(session: Session) -> set[str]:
    """The queues of which a living worker takes chunks."""
    statement = select(WorkerRow.queue).where(_is_alive(), WorkerRow.state == WorkerState.READY.value)
    return set(session.scalars(statement.distinct()))


def _is_alive() -> ColumnElement[bool]:
    """A report from the future was written before the clock of the database was set back."""
    return WorkerRow.seen_s.between(now_s() - SEEN_WITHIN_S, now_s() + SEEN_WITHIN_S)
