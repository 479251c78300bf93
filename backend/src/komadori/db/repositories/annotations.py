"""Annotations, the runs that proposed them, and what people made of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, select
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.masks import Rle
from komadori.core.types import Annotation, AnnotationRun, AnnotationSource, AnnotationStatus, JsonDict
from komadori.db.repositories.statements import ids_as_rows, insert_missing
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
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which annotations are meant; what is None does not restrict. Both confidences are included."""

    project_id: int | None = None
    video_id: int | None = None
    frame_id: int | None = None
    status: AnnotationStatus | None = None
    class_name: str | None = None
    run_id: int | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None


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


def runs_page(
    session: Session, project_id: int | None = None, *, after_id: int = 0, limit: int = 100
) -> list[AnnotationRun]:
    """Runs by id, of a project or of all."""
    statement = select(AnnotationRunRow).where(AnnotationRunRow.id > after_id, *_runs_of(project_id))
    return [_run(row) for row in session.scalars(statement.order_by(AnnotationRunRow.id).limit(limit))]


def count_runs(session: Session, project_id: int | None = None) -> int:
    """How many runs there are."""
    statement = select(func.count()).select_from(AnnotationRunRow).where(*_runs_of(project_id))
    return session.scalar(statement) or 0


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
        raise not_found(annotation_id)
    return _annotation(found[0], found[1])


def named(session: Session, annotation_ids: Sequence[int]) -> list[Annotation]:
    """Those of the annotations that exist, in the order in which they are named."""
    rows = session.execute(
        select(AnnotationRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .where(AnnotationRow.id.in_(ids_as_rows(session, annotation_ids)))
    )
    found = {row.id: _annotation(row, class_name) for row, class_name in rows}
    return [found[id_] for id_ in annotation_ids if id_ in found]


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
        .where(AnnotationRow.id > after_id, *conditions(which))
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
            .where(*conditions(which))
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


def not_found(annotation_id: int) -> NotFoundError:
    """The error of who asks for an annotation that does not exist."""
    return NotFoundError(
        f"There is no annotation {annotation_id}.", hint="`komadori annotations` lists them."
    )


def conditions(which: Filter) -> list[ColumnElement[bool]]:
    """What a filter says of annotations that are joined with their frames and videos."""
    wanted: list[ColumnElement[bool]] = [IS_LIVE]
    if which.project_id is not None:
        wanted.append(VideoRow.project_id == which.project_id)
    if which.video_id is not None:
        wanted.append(FrameRow.video_id == which.video_id)
    if which.frame_id is not None:
        wanted.append(AnnotationRow.frame_id == which.frame_id)
    if which.status is not None:
        wanted.append(AnnotationRow.status == which.status)
    if which.class_name is not None:
        of_name = select(ClassRow.id).where(ClassRow.name == which.class_name)
        wanted.append(AnnotationRow.class_id.in_(of_name))
    if which.run_id is not None:
        wanted.append(AnnotationRow.run_id == which.run_id)
    if which.min_confidence is not None:
        wanted.append(AnnotationRow.confidence >= which.min_confidence)
    if which.max_confidence is not None:
        wanted.append(AnnotationRow.confidence <= which.max_confidence)
    return wanted


def _runs_of(project_id: int | None) -> list[ColumnElement[bool]]:
    return [] if project_id is None else [AnnotationRunRow.project_id == project_id]


def mask_values(mask: Rle | None) -> JsonDict:
    """A mask as the columns of its row."""
    if mask is None:
        return {"mask_counts": None, "mask_height": None, "mask_width": None}
    height, width = mask.size_hw
    return {"mask_counts": mask.counts, "mask_height": height, "mask_width": width}


def mask_of(row: AnnotationRow | AnnotationRevisionRow) -> Rle | None:
    """The mask in the columns of a row."""
    if row.mask_counts is None:
        return None
    assert row.mask_height is not None
    assert row.mask_width is not None
    return Rle((row.mask_height, row.mask_width), row.mask_counts)


def _values(new: NewAnnotation) -> dict[str, Any]:
    x0, y0, x1, y1 = new.bbox_xyxy
    now_s = time.time()
    is_drawn = new.source is AnnotationSource.PERSON
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
        "created_s": now_s,
        "created_by": new.created_by,
        "changed_s": now_s if is_drawn else None,
        "changed_by": new.created_by,
    }


def _run(row: AnnotationRunRow) -> AnnotationRun:
    return AnnotationRun(
        id=row.id,
        project_id=row.project_id,
        model_id=row.model_id,
        model_revision=row.model_revision,
        prompts=list(row.prompts),
        thresholds=dict(row.thresholds),
        created_s=row.created_s,
    )


def _annotation(row: AnnotationRow, class_name: str) -> Annotation:
    return Annotation(
        id=row.id,
        frame_id=row.frame_id,
        class_name=class_name,
        bbox_xyxy=(row.x0, row.y0, row.x1, row.y1),
        mask=mask_of(row),
        confidence=row.confidence,
        source=AnnotationSource(row.source),
        status=AnnotationStatus(row.status),
        revision=row.revision,
        track_id=row.track_id,
        run_id=row.run_id,
        prompt=row.prompt,
        created_s=row.created_s,
        created_by=row.created_by,
        changed_s=row.changed_s,
        changed_by=row.changed_by,
    )
