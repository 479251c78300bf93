"""Embedding spaces, and which frames have a vector."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories.statements import insert_missing, put
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import AbsentWordsRow, EmbeddingRow, EmbeddingSpaceRow, FrameRow, VideoRow

_IDS_AT_ONCE = 500

UNKNOWN_SPACE = "unknown-space"


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


def sample_embedded(
    session: Session,
    space_id: int,
    every: int,
    *,
    project_id: int | None = None,
    video_id: int | None = None,
) -> Sequence[tuple[int, int]]:
    """Each ``every``-th frame with a vector, the same ones each time: their ids, rising, and videos."""
    statement = (
        select(FrameRow.id, FrameRow.video_id)
        .join(EmbeddingRow, EmbeddingRow.frame_id == FrameRow.id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(EmbeddingRow.space_id == space_id, IS_LIVE)
    )
    if every > 1:
        statement = statement.where(EmbeddingRow.frame_id % every == 0)
    if video_id is not None:
        statement = statement.where(FrameRow.video_id == video_id)
    if project_id is not None:
        statement = statement.where(VideoRow.project_id == project_id)
    return [(frame_id, video) for frame_id, video in session.execute(statement.order_by(FrameRow.id))]


def keep_absent_words(session: Session, space_id: int, words_key: str, vectors: NDArray[np.float32]) -> None:
    """Store the vectors (N, D) of the words that stand for what is not there."""
    content = vectors.astype("<f4").tobytes()
    put(session, AbsentWordsRow, {"space_id": space_id, "words_key": words_key, "vectors": content})


def has_absent_words(session: Session, space_id: int, words_key: str) -> bool:
    """Whether the space has the vectors of these very words."""
    return session.scalar(_absent_words(space_id, words_key).with_only_columns(literal(1))) is not None


def absent_words(session: Session, space_id: int, words_key: str, dim: int) -> NDArray[np.float32] | None:
    """The vectors (N, D) of the words that stand for what is not there; None before a worker made them."""
    content = session.scalar(_absent_words(space_id, words_key))
    return None if content is None else np.frombuffer(content, "<f4").reshape(-1, dim).astype(np.float32)


def _absent_words(space_id: int, words_key: str) -> Select[bytes]:
    return select(AbsentWordsRow.vectors).where(
        AbsentWordsRow.space_id == space_id, AbsentWordsRow.words_key == words_key
    )


def _space(row: EmbeddingSpaceRow) -> EmbeddingSpace:
    return EmbeddingSpace(row.model_id, row.revision, row.preprocessing_hash, row.dim)
