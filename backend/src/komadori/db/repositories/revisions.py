"""Changes of annotations: each makes a new revision, and keeps what was, and who ended that when."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, String, insert, literal, select, update
from sqlalchemy.orm import Session

from komadori.core.errors import ConflictError, NotFoundError
from komadori.core.types import AnnotationSource, AnnotationStatus, FormerState, JsonDict
from komadori.db.repositories import annotations
from komadori.db.repositories.annotations import Filter
from komadori.db.repositories.statements import ids_as_rows
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import AnnotationRevisionRow, AnnotationRow, ClassRow, FrameRow, VideoRow

KEPT = (
    *("class_id", "x0", "y0", "x1", "y1", "mask_counts", "mask_height", "mask_width"),
    *("confidence", "source", "status", "track_id"),
)
"""The columns of an annotation that can change, and that its history has as well."""


def change(
    session: Session,
    annotation_id: int,
    values: JsonDict,
    *,
    expected_revision: int | None,
    changed_by: str | None,
) -> None:
    """Make a new revision with some columns changed; where nothing differs, nothing happens.

    Raises:
        NotFoundError: There is no such annotation.
        ConflictError: Somebody has changed it since ``expected_revision``.
    """
    row = session.get(AnnotationRow, annotation_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise annotations.not_found(annotation_id)
    if expected_revision is not None and expected_revision != row.revision:
        raise ConflictError(
            f"Annotation {annotation_id} is at revision {row.revision}, not {expected_revision}.",
            hint="Load it again and repeat your change.",
            code="stale-revision",
        )
    if any(getattr(row, name) != value for name, value in values.items()):
        _change_all(session, [annotation_id], values, changed_by)
        session.expire(row)


def decide(
    session: Session, annotation_ids: Sequence[int], status: AnnotationStatus, changed_by: str | None
) -> None:
    """Give annotations a status, in statements for all of them; those that have it stay as they are.

    Raises:
        NotFoundError: One of them does not exist.
    """
    rows = session.execute(_locked(AnnotationRow.id.in_(ids_as_rows(session, annotation_ids))))
    found = {row.id: row.status for row in rows}
    missing = set(annotation_ids) - found.keys()
    if missing:
        raise annotations.not_found(min(missing))
    others = [id_ for id_, former in found.items() if former != status]
    _change_all(session, others, {"status": status.value}, changed_by)


def matching(session: Session, which: Filter, limit: int) -> list[int]:
    """The ids of up to ``limit`` annotations that pass a filter; nobody else changes them meanwhile."""
    return list(session.scalars(_locked(*annotations.conditions(which)).limit(limit)))


def history(session: Session, annotation_id: int) -> list[FormerState]:
    """The former states of an annotation, oldest first."""
    rows = session.execute(
        select(AnnotationRevisionRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == AnnotationRevisionRow.class_id)
        .where(AnnotationRevisionRow.annotation_id == annotation_id)
        .order_by(AnnotationRevisionRow.revision)
    )
    return [_former_state(row, class_name) for row, class_name in rows]


def former_values(session: Session, annotation_id: int, revision: int) -> JsonDict:
    """What :func:`change` takes to give an annotation the state of an earlier revision.

    Raises:
        NotFoundError: It never had that revision, or has it now.
    """
    row = session.get(AnnotationRevisionRow, (annotation_id, revision))
    if row is None:
        raise NotFoundError(
            f"Annotation {annotation_id} has no former revision {revision}.",
            hint=f"`komadori annotations --history {annotation_id}` lists them.",
            code="no-such-revision",
        )
    return {name: getattr(row, name) for name in KEPT}


def _locked(*which: ColumnElement[bool]) -> Select[int, str]:
    """Ids and statuses of annotations, locked in the order of their ids: nobody waits in a circle."""
    return (
        select(AnnotationRow.id, AnnotationRow.status)
        .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(IS_LIVE, *which)
        .order_by(AnnotationRow.id)
        .with_for_update(of=AnnotationRow)
    )


def _change_all(
    session: Session, annotation_ids: Sequence[int], values: JsonDict, changed_by: str | None
) -> None:
    """Keep the states of annotations that this transaction has locked, and change them."""
    if not annotation_ids:
        return
    now_s = time.time()
    are_meant = AnnotationRow.id.in_(ids_as_rows(session, annotation_ids))
    former: dict[str, Any] = {
        "annotation_id": AnnotationRow.id,
        **{name: getattr(AnnotationRow, name) for name in ("revision", *KEPT)},
        "changed_s": literal(now_s, Float),
        "changed_by": literal(changed_by, String),
    }
    session.execute(
        insert(AnnotationRevisionRow).from_select(list(former), select(*former.values()).where(are_meant))
    )
    session.execute(
        update(AnnotationRow)
        .where(are_meant)
        .values(revision=AnnotationRow.revision + 1, changed_s=now_s, changed_by=changed_by, **values)
        .execution_options(synchronize_session=False)
    )


def _former_state(row: AnnotationRevisionRow, class_name: str) -> FormerState:
    return FormerState(
        revision=row.revision,
        class_name=class_name,
        bbox_xyxy=(row.x0, row.y0, row.x1, row.y1),
        mask=annotations.mask_of(row),
        confidence=row.confidence,
        source=AnnotationSource(row.source),
        status=AnnotationStatus(row.status),
        track_id=row.track_id,
        changed_s=row.changed_s,
        changed_by=row.changed_by,
    )
