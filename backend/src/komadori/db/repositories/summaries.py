"""Counts of a whole project, by few statements over all of its annotations."""

from typing import Any

from sqlalchemy import ColumnElement, case, distinct, func, select
from sqlalchemy.orm import Session

from komadori.core.types import AnnotationStatus, ClassSummary, ProjectSummary
from komadori.db.repositories.videos import IS_LIVE
from komadori.db.tables import AnnotationRow, ClassRow, FrameRow, VideoRow

_ACCEPTED = AnnotationRow.status == AnnotationStatus.ACCEPTED
_PROPOSED = AnnotationRow.status == AnnotationStatus.PROPOSED
_REJECTED = AnnotationRow.status == AnnotationStatus.REJECTED


def summary(session: Session, project_id: int) -> ProjectSummary:
    """How much of a project is there, and how much of it is reviewed; classes by name."""
    live = select(VideoRow.id).where(VideoRow.project_id == project_id, IS_LIVE)
    n_videos = session.scalar(select(func.count()).select_from(live.subquery()))
    n_frames = session.scalar(select(func.count()).where(FrameRow.video_id.in_(live)))
    in_live = AnnotationRow.frame_id.in_(select(FrameRow.id).where(FrameRow.video_id.in_(live)))
    n_frames_with_proposals, n_frames_accepted = session.execute(
        select(_n_frames(_PROPOSED), _n_frames(_ACCEPTED)).where(in_live)
    ).one()
    classes = _classes(session, project_id, in_live)
    return ProjectSummary(
        n_videos=n_videos or 0,
        n_frames=n_frames or 0,
        n_frames_with_proposals=n_frames_with_proposals,
        n_frames_accepted=n_frames_accepted,
        n_annotations=sum(one.n_accepted + one.n_proposed + one.n_rejected for one in classes),
        classes=classes,
    )


def _classes(session: Session, project_id: int, in_live: ColumnElement[bool]) -> list[ClassSummary]:
    """Each class of the project, sorted by code point: databases sort by language."""
    rows = session.execute(
        select(ClassRow.name, _n(_ACCEPTED), _n(_PROPOSED), _n(_REJECTED), _n_frames(~_REJECTED))
        .outerjoin(AnnotationRow, (AnnotationRow.class_id == ClassRow.id) & in_live)
        .where(ClassRow.project_id == project_id)
        .group_by(ClassRow.id)
    )
    return sorted((ClassSummary(*row) for row in rows), key=lambda one: one.name)


def _n(which: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((which, 1)))


def _n_frames(which: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.count(distinct(case((which, AnnotationRow.frame_id))))
