"""Queries: what a person waits for and a worker answers; also the cache of the vectors of searches."""

import time
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from komadori.core.types import JobState, JsonDict, Queue
from komadori.db.tables import QueryRow


class QueryKind(StrEnum):
    """What a query is made of."""

    TEXT = "text"
    PICTURE = "picture"
    CLICKS = "clicks"

    @property
    def queue(self) -> Queue:
        """The queue whose workers answer such a query."""
        return Queue.SAM3 if self is QueryKind.CLICKS else Queue.SIGLIP


@dataclass(frozen=True, slots=True)
class Query:
    """A text or a picture to be embedded for a search, or clicks to be made a mask of.

    ``content`` is the text itself, the blob key of the picture, or the clicks as JSON;
    ``content_key`` its sha256. ``error`` is what went wrong, as ``core.errors.to_dict`` writes it.
    A search is answered with a vector, clicks with ``answer``.
    """

    id: int
    source: str
    kind: QueryKind
    content_key: str
    content: str
    state: JobState
    space_id: int | None
    vector: NDArray[np.float32] | None
    answer: JsonDict | None
    error: JsonDict | None


def add(session: Session, source: str, kind: QueryKind, content_key: str, content: str) -> int:
    """A query that waits for its answer: its id."""
    row = QueryRow(
        source=source,
        kind=kind,
        content_key=content_key,
        content=content,
        state=JobState.QUEUED,
        space_id=None,
        vector=None,
        answer=None,
        error=None,
        created_s=time.time(),
    )
    session.add(row)
    session.flush()
    return row.id


def cached(session: Session, space_id: int, kind: QueryKind, content_key: str) -> Query | None:
    """An answered query with this content in this space."""
    row = session.scalar(
        select(QueryRow)
        .where(
            QueryRow.kind == kind,
            QueryRow.content_key == content_key,
            QueryRow.space_id == space_id,
            QueryRow.state == JobState.DONE,
        )
        .limit(1)
    )
    return None if row is None else _query(row)


def get(session: Session, query_id: int) -> Query | None:
    """The query with that id, unless it was pruned or forgotten."""
    row = session.get(QueryRow, query_id)
    return None if row is None else _query(row)


def claim(session: Session, queue: Queue, query_id: int) -> Query | None:
    """Take a queued query of that queue; None when somebody else has it."""
    return _claim(session, and_(QueryRow.id == query_id, _is_for(queue)))


def claim_any(session: Session, queue: Queue) -> Query | None:
    """Take the oldest queued query of that queue, if any."""
    oldest = (
        select(QueryRow.id)
        .where(QueryRow.state == JobState.QUEUED, _is_for(queue))
        .order_by(QueryRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return _claim(session, QueryRow.id == oldest.scalar_subquery())


def requeue(session: Session, query_id: int) -> None:
    """Let somebody else take a query that was taken and not answered."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id, QueryRow.state == JobState.RUNNING)
        .values(state=JobState.QUEUED)
    )


def is_any_waiting(session: Session, queue: Queue) -> bool:
    """Whether a query waits in that queue."""
    waiting = select(QueryRow.id).where(QueryRow.state == JobState.QUEUED, _is_for(queue))
    return session.scalar(waiting.limit(1)) is not None


def answer_with_vector(session: Session, query_id: int, space_id: int, vector: NDArray[np.float32]) -> None:
    """Store the vector (D,) of a query."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id)
        .values(state=JobState.DONE, space_id=space_id, vector=vector.astype("<f4").tobytes())
    )


def answer(session: Session, query_id: int, values: JsonDict) -> None:
    """Store the answer of a query that is not one for a vector."""
    session.execute(
        update(QueryRow).where(QueryRow.id == query_id).values(state=JobState.DONE, answer=values)
    )


def fail(session: Session, query_id: int, error: JsonDict) -> None:
    """Store why a query has no answer, unless somebody else has given it one."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id, QueryRow.state != JobState.DONE)
        .values(state=JobState.FAILED, error=error)
    )


def forget(session: Session, query_id: int) -> None:
    """Delete a query that nobody waits for any more."""
    session.execute(delete(QueryRow).where(QueryRow.id == query_id))


def prune(session: Session, older_than_s: float, keep: int) -> None:
    """Forget unanswered old queries, and all answered ones but the newest ``keep``."""
    cutoff = time.time() - older_than_s
    _forget(session, and_(QueryRow.state != JobState.DONE, QueryRow.created_s < cutoff))
    newest_dropped = session.scalar(
        select(QueryRow.id)
        .where(QueryRow.state == JobState.DONE)
        .order_by(QueryRow.id.desc())
        .offset(keep)
        .limit(1)
    )
    if newest_dropped is not None:
        _forget(session, and_(QueryRow.state == JobState.DONE, QueryRow.id <= newest_dropped))


def _is_for(queue: Queue) -> ColumnElement[bool]:
    return QueryRow.kind.in_([kind for kind in QueryKind if kind.queue == queue])


def _forget(session: Session, condition: ColumnElement[bool]) -> None:
    """Delete queries, but for those that somebody is about to change or to delete."""
    free = select(QueryRow.id).where(condition).with_for_update(skip_locked=True)
    session.execute(delete(QueryRow).where(QueryRow.id.in_(free)))


def _claim(session: Session, condition: ColumnElement[bool]) -> Query | None:
    row = session.execute(
        update(QueryRow)
        .where(and_(condition, QueryRow.state == JobState.QUEUED))
        .values(state=JobState.RUNNING)
        .returning(QueryRow)
    ).scalar_one_or_none()
    return None if row is None else _query(row)


def _query(row: QueryRow) -> Query:
    return Query(
        id=row.id,
        source=row.source,
        kind=QueryKind(row.kind),
        content_key=row.content_key,
        content=row.content,
        state=JobState(row.state),
        space_id=row.space_id,
        vector=None if row.vector is None else np.frombuffer(row.vector, "<f4").astype(np.float32),
        answer=row.answer,
        error=row.error,
    )
