"""Many frames at once, as plain columns, for those who look through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from komadori.core.types import AnnotationStatus
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import AnnotationRow, ClassRow, FrameRow, VideoRow

UNKNOWN_COLOUR = 0x808080
"""The mean colour of frames that were stored before it was kept."""

Place = tuple[int, int, int]
"""Where a frame stands among all: video, stream, decode index."""

_PLACE = (FrameRow.video_id, FrameRow.stream_index, FrameRow.decode_index)


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """Which frames are meant; what is None does not restrict.

    Attributes:
        class_name: Frames with an annotation of this class.
        status: Frames with an annotation of this status, and of the class where one is named.
        is_undecided: Frames with a proposal that nobody has decided about, of the class where one is named.
    """

    project_id: int | None = None
    video_id: int | None = None
    class_name: str | None = None
    status: AnnotationStatus | None = None
    is_undecided: bool = False


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """N frames by video and order of presentation.

    ``next_place`` is that of the last one when there are more.
    """

    ids: Sequence[int]
    video_ids: Sequence[int]
    decode_indices: Sequence[int]
    pts_s: Sequence[float]
    mean_colours: Sequence[int]
    n_accepted: Sequence[int]
    n_proposed: Sequence[int]
    next_place: Place | None


def frame_columns(session: Session, which: FrameFilter, after: Place | None, limit: int) -> FrameColumns:
    """The first ``limit`` frames after a place: one statement, about 4 us a frame."""
    rows = session.execute(_frames(which, after).limit(limit + 1)).all()
    shown = rows[:limit]
    columns = list(zip(*shown, strict=True)) if shown else [()] * 10
    ids, video_ids, _streams, indices, pts, numerators, denominators, colours, accepted, proposed = columns
    return FrameColumns(
        ids=ids,
        video_ids=video_ids,
        decode_indices=indices,
        pts_s=[n * num / den for n, num, den in zip(pts, numerators, denominators, strict=True)],
        mean_colours=colours,
        n_accepted=accepted,
        n_proposed=proposed,
        next_place=shown[-1][1:4] if len(rows) > limit else None,
    )


def count_frames(session: Session, which: FrameFilter) -> int:
    """How many frames are meant."""
    chosen = _frames(which, None).order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    return session.scalar(chosen) or 0


def thumbnail_keys(session: Session, frame_ids: Sequence[int]) -> dict[int, str]:
    """Where the thumbnails of those frames are that exist."""
    rows = session.execute(
        select(FrameRow.id, FrameRow.thumbnail_key)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(FrameRow.id.in_(frame_ids), IS_LIVE)
    )
    return {row.id: row.thumbnail_key for row in rows}


def _frames(which: FrameFilter, after: Place | None) -> Select[*tuple[Any, ...]]:
    """Frames in their order, which is that of an index: SQLite reads no more of them than it gives.

    It does so only where the videos are a list to look into, and no table to join.
    """
    owners = select(VideoRow.id).where(IS_LIVE)
    if which.project_id is not None:
        owners = owners.where(VideoRow.project_id == which.project_id)
    if which.video_id is not None:
        owners = owners.where(VideoRow.id == which.video_id)
    if after is not None:
        owners = owners.where(VideoRow.id >= after[0])
    statement = select(
        FrameRow.id,
        *_PLACE,
        FrameRow.pts,
        FrameRow.time_base_num,
        FrameRow.time_base_den,
        func.coalesce(FrameRow.mean_colour, UNKNOWN_COLOUR).label("mean_colour"),
        _n_annotations(AnnotationStatus.ACCEPTED),
        _n_annotations(AnnotationStatus.PROPOSED),
    ).where(FrameRow.video_id.in_(owners), *_annotated(which))
    if after is not None:
        statement = statement.where(tuple_(*_PLACE) > tuple_(*map(literal, after)))
    return statement.order_by(*_PLACE)


def _annotated(which: FrameFilter) -> list[ColumnElement[bool]]:
    """What the filter asks of the annotations of a frame."""
    found = []
    if which.status is not None or (which.class_name is not None and not which.is_undecided):
        found.append(_has_annotation(which, which.status))
    if which.is_undecided:
        found.append(_has_annotation(which, AnnotationStatus.PROPOSED))
    return found


def _has_annotation(which: FrameFilter, status: AnnotationStatus | None) -> ColumnElement[bool]:
    statement = select(AnnotationRow.id).where(AnnotationRow.frame_id == FrameRow.id)
    if status is not None:
        statement = statement.where(AnnotationRow.status == status)
    if which.class_name is not None:
        classes = select(ClassRow.id).where(ClassRow.name == which.class_name)
        if which.project_id is not None:
            classes = classes.where(ClassRow.project_id == which.project_id)
        statement = statement.where(AnnotationRow.class_id.in_(classes))
    return statement.exists()


def _n_annotations(status: AnnotationStatus) -> ColumnElement[int]:
    """How many of that status a frame has; counted frame by frame: joins and groups take longer."""
    return (
        select(func.count())
        .select_from(AnnotationRow)
        .where(AnnotationRow.frame_id == FrameRow.id, AnnotationRow.status == status)
        .scalar_subquery()
    )
