"""Whether the index of each space has the vectors that the database says it has, and no others."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import audits
from komadori.services import embed
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look
from komadori.vectors.inspection import Inspection, inspect


def look_at_vectors(look: Look) -> Iterator[Finding]:
    """Vectors that are missing, damaged or nobody's, space by space."""
    for space_id, space in known_spaces(look):
        yield from _look_at_space(look, space_id, space)


def look_at_indexes(look: Look) -> Iterator[Finding]:
    """Indexes of no space that the database knows."""
    for path in orphan_indexes(look):
        yield Finding(Kind.ORPHAN_INDEX, f"vectors/{path.name}", "No embedding space of the database has it.")


def known_spaces(look: Look) -> list[tuple[int, EmbeddingSpace]]:
    """The spaces of the database, with their ids."""
    with look.store.sessions.read() as session:
        rows = audits.spaces(session)
    return [
        (row.id, EmbeddingSpace(row.model_id, row.revision, row.preprocessing_hash, row.dim)) for row in rows
    ]


def orphan_indexes(look: Look) -> list[Path]:
    """The folders of no known space that nobody has touched for long."""
    if not look.store.vectors.is_dir():
        return []
    folders = [path for path in sorted(look.store.vectors.iterdir()) if path.is_dir()]
    known = {space.key for _, space in known_spaces(look)}
    return [path for path in folders if path.name not in known and look.is_left(path, "indexes")]


def orphan_vectors(look: Look, space_id: int, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the ids (N,), ascending, that have no row and that no running chunk is about to give one."""
    is_known = np.zeros(len(ids), np.bool_)
    for frame_ids in audits.embedded_frames(look.store.sessions, space_id):
        is_known[_positions(ids, np.asarray(frame_ids, np.int64))] = True
    return np.setdiff1d(ids[~is_known], being_embedded(look))


def being_embedded(look: Look) -> NDArray[np.int64]:
    """The frames of the embedding chunks that run."""
    with look.store.sessions.read() as session:
        running = audits.running_payloads(session)
    frames = [
        frame_id for kind, payload in running if kind == embed.KIND for frame_id in payload["frame_ids"]
    ]
    return np.asarray(frames, np.int64)


def _look_at_space(look: Look, space_id: int, space: EmbeddingSpace) -> Iterator[Finding]:
    """What is committed between reading the index and its rows is found once, and not a second time."""
    directory, subject = look.store.vectors / space.key, f"vectors/{space.key}"
    has_rows = next(audits.embedded_frames(look.store.sessions, space_id), None) is not None
    index = inspect(directory, space.dim, is_deep=look.is_deep)
    if index is None:
        if has_rows:
            yield Finding(
                Kind.INDEX_DAMAGED, subject, "There is no index, but frames that have a vector in it."
            )
        return
    for fault in index.faults:
        yield Finding(Kind.INDEX_DAMAGED, subject, fault)
    if index.faults:
        return
    look.seen["vectors"] += len(index.ids)
    for frame_id in index.damaged.tolist():
        yield Finding(Kind.VECTOR_DAMAGED, f"frame {frame_id} in {subject}", "Its vector is damaged.")
    for path in index.unused:
        if look.is_old(path, "index files"):
            yield Finding(Kind.INDEX_LEFTOVER, f"{subject}/{path.name}", "Nothing in the index names it.")
    yield from _missing(look, space_id, space, index)
    for frame_id in orphan_vectors(look, space_id, index.ids).tolist():
        yield Finding(Kind.ORPHAN_VECTOR, f"frame {frame_id} in {subject}", "It has a vector, but no row.")


def _missing(look: Look, space_id: int, space: EmbeddingSpace, index: Inspection) -> Iterator[Finding]:
    for page in audits.embedded_frames(look.store.sessions, space_id):
        frame_ids = np.asarray(page, np.int64)
        for frame_id in np.setdiff1d(frame_ids, index.ids[_positions(index.ids, frame_ids)]).tolist():
            detail = "The database says that it has a vector, the index has none."
            yield Finding(Kind.VECTOR_MISSING, f"frame {frame_id} in vectors/{space.key}", detail)


def _positions(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where those of the wanted ids that are there stand in sorted ``ids``."""
    at = np.minimum(np.searchsorted(ids, wanted), max(0, len(ids) - 1))
    return at[ids[at] == wanted] if len(ids) else np.zeros(0, np.int64)
