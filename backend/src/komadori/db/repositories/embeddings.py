"""Embedding spaces, which frames have a vector, and the vectors of search queries."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.types import EmbeddingSpace, JobState, JsonDict
from komadori.db.repositories.statements import insert_missing
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import EmbeddingRow, EmbeddingSpaceRow, FrameRow, QueryRow, VideoRow

_IDS_AT_ONCE = 500

UNKNOWN_SPACE = "unknown-space"


class QueryKind(StrEnum):
    """What a query is made of."""

    TEXT = "text"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Query:
    """A text or a picture to be embedded for a search.

    ``content`` is the text itself, or the blob key of the picture; ``content_key`` its
    sha256. ``error`` is what went wrong, as ``core.errors.to_dict`` writes it.
    """

    id: int
    source: str
    kind: QueryKind
    content_key: str
    content: str
    state: JobState
    space_id: int | None
    vector: NDArray[np.float32] | None
    error: JsonDict | None


def register_space(session: Session, space: EmbeddingSpace, source: str) -> int:
    """The id of a space; from now on it is the one that ``source`` stands for."""
    values = {
        "model_id": space.model_id,
        "revision": space.revision,
        "preprocessing_hash": space.preprocessing_hash,
        "dim": space.dim,
        "source": source,
        "last_used_s": time.time(),
    }
    insert_missing(session, EmbeddingSpaceRow, [values])
    row = session.scalars(
        select(EmbeddingSpaceRow).where(
            EmbeddingSpaceRow.model_id == space.model_id,
            EmbeddingSpaceRow.revision == space.revision,
            EmbeddingSpaceRow.preprocessing_hash == space.preprocessing_hash,
            EmbeddingSpaceRow.dim == space.dim,
        )
    ).one()
    row.source, row.last_used_s = source, time.time()
    return row.id


def active_space(session: Session, source: str) -> tuple[int, EmbeddingSpace] | None:
    """The space that a setting stands for, as the last worker with it found; None before there was one."""
    row = session.scalar(
        select(EmbeddingSpaceRow)
        .where(EmbeddingSpaceRow.source == source)
        .order_by(EmbeddingSpaceRow.last_used_s.desc())
        .limit(1)
    )
    return None if row is None else (row.id, _space(row))


def all_spaces(session: Session) -> list[EmbeddingSpace]:
    """Every space that was ever in use."""
    return [_space(row) for row in session.scalars(select(EmbeddingSpaceRow).order_by(EmbeddingSpaceRow.id))]


def get_space(session: Session, space_id: int) -> EmbeddingSpace:
    """The space with that id."""
    return _space(session.get_one(EmbeddingSpaceRow, space_id))


def space_by_key(session: Session, key: str) -> EmbeddingSpace:
    """The space that has this :attr:`EmbeddingSpace.key`; there are as many as models were ever in use.

    Raises:
        NotFoundError: None has it.
    """
    for row in session.scalars(select(EmbeddingSpaceRow)):
        space = _space(row)
        if space.key == key:
            return space
    raise NotFoundError(
        f"No model that was used here has the embedding space {key!r}.",
        hint="A worker that shares the API's database makes it known when it starts.",
        code=UNKNOWN_SPACE,
    )


def embedded(session: Session, space_id: int, frame_ids: Sequence[int]) -> set[int]:
    """Which of these frames have a vector in the space."""
    found: set[int] = set()
    for start in range(0, len(frame_ids), _IDS_AT_ONCE):
        ids = frame_ids[start : start + _IDS_AT_ONCE]
        found.update(
            session.scalars(
                select(EmbeddingRow.frame_id).where(
                    EmbeddingRow.space_id == space_id, EmbeddingRow.frame_id.in_(ids)
                )
            )
        )
    return found


def mark_embedded(session: Session, space_id: int, frame_ids: Sequence[int]) -> None:
    """Say that the index of the space has the vectors of these frames."""
    insert_missing(
        session,
        EmbeddingRow,
        [{"space_id": space_id, "frame_id": frame_id} for frame_id in sorted(frame_ids)],
    )


def count_embedded(
    session: Session, space_id: int, *, project_id: int | None = None, video_id: int | None = None
) -> int:
    """How many frames, of all or of a project or video, have a vector in the space."""
    statement = select(func.count()).select_from(EmbeddingRow).where(EmbeddingRow.space_id == space_id)
    if project_id is not None or video_id is not None:
        statement = statement.join(FrameRow, FrameRow.id == EmbeddingRow.frame_id)
    if video_id is not None:
        statement = statement.where(FrameRow.video_id == video_id)
    if project_id is not None:
        statement = statement.join(VideoRow, VideoRow.id == FrameRow.video_id).where(
            VideoRow.project_id == project_id, IS_LIVE
        )
    return session.scalar(statement) or 0


def add_query(session: Session, source: str, kind: QueryKind, content_key: str, content: str) -> int:
    """A query that waits for its vector: its id."""
    row = QueryRow(
        source=source,
        kind=kind,
        content_key=content_key,
        content=content,
        state=JobState.QUEUED,
        space_id=None,
        vector=None,
        error=None,
        created_s=time.time(),
    )
    session.add(row)
    session.flush()
    return row.id


def cached_query(session: Session, space_id: int, kind: QueryKind, content_key: str) -> Query | None:
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


def get_query(session: Session, query_id: int) -> Query | None:
    """The query with that id, unless it was pruned."""
    row = session.get(QueryRow, query_id)
    return None if row is None else _query(row)


def claim_query(session: Session, query_id: int) -> Query | None:
    """Take a queued query; None when somebody else has it."""
    return _claim(session, QueryRow.id == query_id)


def claim_any_query(session: Session) -> Query | None:
    """Take the oldest queued query, if any."""
    oldest = (
        select(QueryRow.id)
        .where(QueryRow.state == JobState.QUEUED)
        .order_by(QueryRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return _claim(session, QueryRow.id == oldest.scalar_subquery())


def requeue_query(session: Session, query_id: int) -> None:
    """Let somebody else take a query that was taken and not answered."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id, QueryRow.state == JobState.RUNNING)
        .values(state=JobState.QUEUED)
    )


def has_waiting_query(session: Session) -> bool:
    """Whether a query waits."""
    return session.scalar(select(QueryRow.id).where(QueryRow.state == JobState.QUEUED).limit(1)) is not None


def answer_query(session: Session, query_id: int, space_id: int, vector: NDArray[np.float32]) -> None:
    """Store the vector (D,) of a query."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id)
        .values(state=JobState.DONE, space_id=space_id, vector=vector.astype("<f4").tobytes())
    )


def fail_query(session: Session, query_id: int, error: JsonDict) -> None:
    """Store why a query has no vector, unless somebody else has given it one."""
    session.execute(
        update(QueryRow)
        .where(QueryRow.id == query_id, QueryRow.state != JobState.DONE)
        .values(state=JobState.FAILED, error=error)
    )


def prune_queries(session: Session, older_than_s: float, keep: int) -> None:
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


def _space(row: EmbeddingSpaceRow) -> EmbeddingSpace:
    return EmbeddingSpace(row.model_id, row.revision, row.preprocessing_hash, row.dim)


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
        error=row.error,
    )
