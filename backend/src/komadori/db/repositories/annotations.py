"""Annotations, the runs that proposed them, and what people made of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, select
from sqlalchemy.orm import Session

from komadori.core.errors import ConflictError, NotFoundError
from komadori.core.masks import Rle
from komadori.core.types import Annotation, AnnotationRun, AnnotationSource, AnnotationStatus, JsonDict
from komadori.db.repositories.statements import insert_missing
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import (
    AnnotationRevisionRow,
    AnnotationRow,
    AnnotationRunRow,
    ClassRow,
    FrameRow,
    RunFrameRow,
    VideoRow,
)

_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """An annotation that is not in the database yet."""

    frame_id: int
    class_id: int
    bbox_xyxy: tuple[float, float, float, float]
    mask: Rle | None
    confidence: float | None
    source: AnnotationSource
    status: AnnotationStatus
    run_id: int | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which annotations are meant; what is None does not restrict."""

    project_id: int | None = None
    video_id: int | None = None
    frame_id: int | None = None
    status: AnnotationStatus | None = None


@dataclass(frozen=True, slots=True)
class ClassShare:
    """How many annotations of a class there are, and how many of them are only boxes."""

    name: str
    n: int
    n_without_mask: int


def get_or_create_run(session: Session, project_id: int, fingerprint: str, values: JsonDict) -> AnnotationRun:
    """The run with that fingerprint; ``values`` are its model id, revision, prompts and thresholds."""
    insert_missing(
        session,
        AnnotationRunRow,
        [{"project_id": project_id, "fingerprint": fingerprint, "created_s": time.time(), **values}],
    )
    row = session.scalars(
        select(AnnotationRunRow).where(
            AnnotationRunRow.project_id == project_id, AnnotationRunRow.fingerprint == fingerprint
        )
    ).one()
    return _run(row)


def runs(session: Session, project_id: int) -> list[AnnotationRun]:
    """All runs of a project, by id."""
    rows = session.scalars(
        select(AnnotationRunRow)
        .where(AnnotationRunRow.project_id == project_id)
        .order_by(AnnotationRunRow.id)
    )
    return [_run(row) for row in rows]


def seen_by_run(session: Session, run_id: int, frame_ids: Sequence[int]) -> set[int]:
    """Which of these frames a run has looked at."""
    rows = session.scalars(
        select(RunFrameRow.frame_id).where(RunFrameRow.run_id == run_id, RunFrameRow.frame_id.in_(frame_ids))
    )
    return set(rows)


def mark_seen(session: Session, run_id: int, counts: dict[int, int]) -> None:
    """Say how many detections a run kept in each of these frames."""
    session.execute(
        delete(RunFrameRow).where(RunFrameRow.run_id == run_id, RunFrameRow.frame_id.in_(list(counts)))
    )
    insert_missing(
        session,
        RunFrameRow,
        [{"run_id": run_id, "frame_id": id_, "n_detections": n} for id_, n in sorted(counts.items())],
    )


def drop_open_proposals(
    session: Session, frame_ids: Sequence[int], model_id: str, prompts: Sequence[str]
) -> None:
    """Delete what a model proposed for these prompts and nobody has decided about yet."""
    own_runs = select(AnnotationRunRow.id).where(AnnotationRunRow.model_id == model_id)
    session.execute(
        delete(AnnotationRow).where(
            AnnotationRow.frame_id.in_(frame_ids),
            AnnotationRow.status == AnnotationStatus.PROPOSED,
            AnnotationRow.source == AnnotationSource.MODEL,
            AnnotationRow.revision == 1,
            AnnotationRow.prompt.in_(prompts),
            AnnotationRow.run_id.in_(own_runs),
        )
    )


def decided(session: Session, frame_ids: Sequence[int]) -> dict[int, list[Annotation]]:
    """What people accepted, rejected or drew in these frames, by frame."""
    rows = session.execute(
        select(AnnotationRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .where(
            AnnotationRow.frame_id.in_(frame_ids),
            (AnnotationRow.status != AnnotationStatus.PROPOSED)
            | (AnnotationRow.source == AnnotationSource.PERSON)
            | (AnnotationRow.revision > 1),
        )
    )
    found: dict[int, list[Annotation]] = {}
    for row, class_name in rows:
        found.setdefault(row.frame_id, []).append(_annotation(row, class_name))
    return found


def add_many(session: Session, new: Sequence[NewAnnotation]) -> None:
    """Insert annotations in their first revision."""
    if new:
        session.execute(insert(AnnotationRow), [_values(annotation) for annotation in new])


def add(session: Session, new: NewAnnotation) -> int:
    """Insert one annotation: its id."""
    row = AnnotationRow(**_values(new))
    session.add(row)
    session.flush()
    return row.id


def get(session: Session, annotation_id: int) -> Annotation:
    """The annotation with that id.

    Raises:
        NotFoundError: There is no such annotation.
    """
    found = session.execute(
        select(AnnotationRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(AnnotationRow.id == annotation_id, IS_LIVE)
    ).one_or_none()
    if found is None:
        raise _not_found(annotation_id)
    return _annotation(found[0], found[1])


def change(session: Session, annotation_id: int, expected_revision: int | None, values: JsonDict) -> None:
    """Make a new revision with some columns changed; the former state is kept beside it.

    Raises:
        NotFoundError: There is no such annotation.
        ConflictError: Somebody has changed it since ``expected_revision``.
    """
    row = session.get(AnnotationRow, annotation_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise _not_found(annotation_id)
    if expected_revision is not None and expected_revision != row.revision:
        raise ConflictError(
            f"Annotation {annotation_id} is at revision {row.revision}, not {expected_revision}.",
            hint="Load it again and repeat your change.",
            code="stale-revision",
        )
    session.add(
        AnnotationRevisionRow(
            annotation_id=row.id, revision=row.revision, state=_history(row), changed_s=time.time()
        )
    )
    row.revision += 1
    for name, value in values.items():
        setattr(row, name, value)


def history(session: Session, annotation_id: int) -> list[JsonDict]:
    """The former states of an annotation, oldest first."""
    rows = session.scalars(
        select(AnnotationRevisionRow)
        .where(AnnotationRevisionRow.annotation_id == annotation_id)
        .order_by(AnnotationRevisionRow.revision)
    )
    return [{"revision": row.revision, **row.state} for row in rows]


def remove(session: Session, annotation_id: int) -> None:
    """Delete an annotation with its history."""
    session.execute(delete(AnnotationRow).where(AnnotationRow.id == annotation_id))


def page(session: Session, which: Filter, *, after_id: int = 0, limit: int = 1000) -> list[Annotation]:
    """Annotations by id."""
    rows = session.execute(
        select(AnnotationRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(AnnotationRow.id > after_id, *_conditions(which))
        .order_by(AnnotationRow.id)
        .limit(limit)
    )
    return [_annotation(row, class_name) for row, class_name in rows]


def count(session: Session, which: Filter) -> int:
    """How many annotations there are."""
    return (
        session.scalar(
            select(func.count())
            .select_from(AnnotationRow)
            .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
            .join(VideoRow, VideoRow.id == FrameRow.video_id)
            .where(*_conditions(which))
        )
        or 0
    )


def of_frames(
    session: Session, frame_ids: Sequence[int], statuses: Sequence[AnnotationStatus]
) -> dict[int, list[Annotation]]:
    """The annotations of some frames that have one of the statuses, by frame and then by id."""
    found: dict[int, list[Annotation]] = {}
    for start in range(0, len(frame_ids), _IDS_AT_ONCE):
        statement = (
            select(AnnotationRow, ClassRow.name)
            .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
            .where(
                AnnotationRow.frame_id.in_(frame_ids[start : start + _IDS_AT_ONCE]),
                AnnotationRow.status.in_(statuses),
            )
            .order_by(AnnotationRow.frame_id, AnnotationRow.id)
        )
        for row, class_name in session.execute(statement):
            found.setdefault(row.frame_id, []).append(_annotation(row, class_name))
    return found


def annotated_frame_ids(session: Session, project_id: int, statuses: Sequence[AnnotationStatus]) -> list[int]:
    """The frames with such annotations, by video and presentation order, whatever their ids are."""
    has_annotation = (
        select(AnnotationRow.id)
        .where(AnnotationRow.frame_id == FrameRow.id, AnnotationRow.status.in_(statuses))
        .exists()
    )
    statement = (
        select(FrameRow.id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(VideoRow.project_id == project_id, IS_LIVE, has_annotation)
        .order_by(VideoRow.sha256, FrameRow.stream_index, FrameRow.decode_index)
    )
    return list(session.scalars(statement))


def shares_of_classes(
    session: Session, project_id: int, statuses: Sequence[AnnotationStatus]
) -> list[ClassShare]:
    """The classes of such annotations, sorted by code point: databases sort by language."""
    rows = session.execute(
        select(ClassRow.name, func.count(), func.sum(case((AnnotationRow.mask_counts.is_(None), 1), else_=0)))
        .select_from(AnnotationRow)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(VideoRow.project_id == project_id, IS_LIVE, AnnotationRow.status.in_(statuses))
        .group_by(ClassRow.name)
    )
    return sorted((ClassShare(name, n, int(bare)) for name, n, bare in rows), key=lambda share: share.name)


def _not_found(annotation_id: int) -> NotFoundError:
    return NotFoundError(
        f"There is no annotation {annotation_id}.", hint="`komadori annotations` lists them."
    )


def _conditions(which: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [IS_LIVE]
    if which.project_id is not None:
        conditions.append(VideoRow.project_id == which.project_id)
    if which.video_id is not None:
        conditions.append(FrameRow.video_id == which.video_id)
    if which.frame_id is not None:
        conditions.append(AnnotationRow.frame_id == which.frame_id)
    if which.status is not None:
        conditions.append(AnnotationRow.status == which.status)
    return conditions


def mask_values(mask: Rle | None) -> JsonDict:
    """A mask as the columns of its row."""
    if mask is None:
        return {"mask_counts": None, "mask_height": None, "mask_width": None}
    height, width = mask.size_hw
    return {"mask_counts": mask.counts, "mask_height": height, "mask_width": width}


def _values(new: NewAnnotation) -> dict[str, Any]:
    x0, y0, x1, y1 = new.bbox_xyxy
    return {
        "frame_id": new.frame_id,
        "class_id": new.class_id,
        "run_id": new.run_id,
        "prompt": new.prompt,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        **mask_values(new.mask),
        "confidence": new.confidence,
        "source": new.source.value,
        "status": new.status.value,
        "revision": 1,
        "track_id": None,
        "created_s": time.time(),
    }


def _history(row: AnnotationRow) -> JsonDict:
    return {
        "class_id": row.class_id,
        "status": row.status,
        "source": row.source,
        "bbox_xyxy": [row.x0, row.y0, row.x1, row.y1],
        "mask": None if row.mask_counts is None else row.mask_counts.decode("ascii"),
        "confidence": row.confidence,
        "track_id": row.track_id,
    }


def _run(row: AnnotationRunRow) -> AnnotationRun:
    return AnnotationRun(
        row.id, row.project_id, row.model_id, row.model_revision, list(row.prompts), dict(row.thresholds)
    )


def _annotation(row: AnnotationRow, class_name: str) -> Annotation:
    mask = None
    if row.mask_counts is not None:
        assert row.mask_height is not None
        assert row.mask_width is not None
        mask = Rle((row.mask_height, row.mask_width), row.mask_counts)
    return Annotation(
        id=row.id,
        frame_id=row.frame_id,
        class_name=class_name,
        bbox_xyxy=(row.x0, row.y0, row.x1, row.y1),
        mask=mask,
        confidence=row.confidence,
        source=AnnotationSource(row.source),
        status=AnnotationStatus(row.status),
        revision=row.revision,
        track_id=row.track_id,
        run_id=row.run_id,
        prompt=row.prompt,
    )
