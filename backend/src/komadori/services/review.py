"""What people do with annotations: decide, edit, draw, revert, delete. Every change is a new revision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from komadori.core.errors import InputError
from komadori.core.geometry import clip_xyxy
from komadori.core.masks import Rle
from komadori.core.types import Annotation, AnnotationSource, AnnotationStatus, Frame, JsonDict
from komadori.db.repositories import annotations, projects, revisions, videos
from komadori.db.repositories.annotations import Filter, NewAnnotation
from komadori.services import names
from komadori.services.context import Context

MAX_AT_ONCE = 100_000

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Matching:
    """Which open proposals are meant; what is None does not restrict. Both confidences are included."""

    project: str
    class_name: str | None = None
    video_id: int | None = None
    frame_id: int | None = None
    run_id: int | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None


def decide(ctx: Context, annotation_ids: Sequence[int], status: AnnotationStatus) -> list[int]:
    """Give annotations a status, all of them or none: their ids, each once.

    Raises:
        InputError: None was named, or too many.
        NotFoundError: One of them does not exist; nothing was changed.
    """
    wanted = list(dict.fromkeys(annotation_ids))
    if not 1 <= len(wanted) <= MAX_AT_ONCE:
        raise InputError(
            f"{len(wanted)} annotations were named.",
            hint=f"Name 1 to {MAX_AT_ONCE} at once.",
            code="bad-selection",
        )
    with ctx.sessions.write() as session:
        revisions.decide(session, wanted, status, ctx.actor)
    return wanted


def decide_matching(ctx: Context, which: Matching, status: AnnotationStatus) -> list[int]:
    """Give all open proposals that match a status, or none: the ids of those that were changed.

    Raises:
        InputError: There are too many.
        NotFoundError: There is no such project.
    """
    with ctx.sessions.write() as session:
        wanted = Filter(
            project_id=projects.by_name(session, which.project).id,
            video_id=which.video_id,
            frame_id=which.frame_id,
            status=AnnotationStatus.PROPOSED,
            class_name=which.class_name,
            run_id=which.run_id,
            min_confidence=which.min_confidence,
            max_confidence=which.max_confidence,
        )
        found = revisions.matching(session, wanted, MAX_AT_ONCE + 1)
        if len(found) > MAX_AT_ONCE:
            raise InputError(
                f"More than {MAX_AT_ONCE:,} proposals match.",
                hint="Narrow them down: a video, a class, a run, or bounds of the confidence.",
                code="bad-selection",
            )
        revisions.decide(session, found, status, ctx.actor)
    return found


def draw(ctx: Context, frame_id: int, class_name: str, bbox_xyxy: Box | None, mask: Rle | None) -> Annotation:
    """Add an annotation that a person made; it is accepted from the start.

    Raises:
        InputError: Neither box nor mask, or one that does not fit the frame.
        NotFoundError: There is no such frame.
    """
    name = names.cleaned(class_name, "class")
    with ctx.sessions.write() as session:
        frame = videos.get_frame(session, frame_id)
        project_id = videos.get(session, frame.video_id).project_id
        new = NewAnnotation(
            frame_id=frame_id,
            class_id=projects.class_ids(session, project_id, [name])[name],
            bbox_xyxy=_shape(frame, bbox_xyxy, mask),
            mask=mask,
            confidence=None,
            source=AnnotationSource.PERSON,
            status=AnnotationStatus.ACCEPTED,
            run_id=None,
            prompt=None,
            created_by=ctx.actor,
        )
        return annotations.get(session, annotations.add(session, new))


def edit(
    ctx: Context,
    annotation_id: int,
    *,
    class_name: str | None = None,
    bbox_xyxy: Box | None = None,
    mask: Rle | None = None,
    status: AnnotationStatus | None = None,
    expected_revision: int | None = None,
) -> Annotation:
    """Change an annotation. A new shape or class makes it a person's, and accepted unless said otherwise.

    A new box without a mask drops the mask, which would contradict it.

    Raises:
        InputError: The box or mask does not fit the frame, or the class has no name.
        NotFoundError: There is no such annotation.
        ConflictError: Somebody has changed it since ``expected_revision``.
    """
    with ctx.sessions.write() as session:
        annotation = annotations.get(session, annotation_id)
        frame = videos.get_frame(session, annotation.frame_id)
        values: JsonDict = {}
        if class_name is not None:
            name = names.cleaned(class_name, "class")
            project_id = videos.get(session, frame.video_id).project_id
            values["class_id"] = projects.class_ids(session, project_id, [name])[name]
        if bbox_xyxy is not None or mask is not None:
            values.update(zip(("x0", "y0", "x1", "y1"), _shape(frame, bbox_xyxy, mask), strict=True))
            values.update(annotations.mask_values(mask))
        if values:
            values["source"] = AnnotationSource.PERSON.value
            values["status"] = AnnotationStatus.ACCEPTED.value
        if status is not None:
            values["status"] = status.value
        if values:
            revisions.change(
                session, annotation_id, values, expected_revision=expected_revision, changed_by=ctx.actor
            )
        return annotations.get(session, annotation_id)


def revert(
    ctx: Context, annotation_id: int, revision: int, *, expected_revision: int | None = None
) -> Annotation:
    """Give an annotation the whole state of an earlier revision, as a new one.

    It stays one that a person has touched: no run replaces it, or proposes its object again.

    Raises:
        NotFoundError: There is no such annotation, or it never had that revision.
        ConflictError: Somebody has changed it since ``expected_revision``.
    """
    with ctx.sessions.write() as session:
        annotations.get(session, annotation_id)
        values = revisions.former_values(session, annotation_id, revision)
        revisions.change(
            session, annotation_id, values, expected_revision=expected_revision, changed_by=ctx.actor
        )
        return annotations.get(session, annotation_id)


def delete(ctx: Context, annotation_id: int) -> None:
    """Delete an annotation for good; to remember a wrong proposal, reject it instead.

    Raises:
        NotFoundError: There is no such annotation.
    """
    with ctx.sessions.write() as session:
        annotations.get(session, annotation_id)
        annotations.remove(session, annotation_id)


def _shape(frame: Frame, bbox_xyxy: Box | None, mask: Rle | None) -> Box:
    """The box of an annotation: that of its mask, or the one given, inside the frame."""
    size_hw = (frame.height, frame.width)
    if mask is not None:
        if mask.size_hw != size_hw or not mask.area:
            raise InputError(
                f"A mask of {mask.size_hw} with {mask.area} pixels was given for a frame of {size_hw}.",
                hint="Give a mask in the size of the frame (height, width) with at least one pixel.",
                code="bad-mask",
            )
        return mask.bbox_xyxy
    if bbox_xyxy is None or not np.all(np.isfinite(bbox_xyxy)):
        raise InputError(
            "An annotation needs a box or a mask.",
            hint="Give bbox_xyxy in pixels, or a mask.",
            code="bad-box",
        )
    x0, y0, x1, y1 = clip_xyxy(np.asarray([bbox_xyxy], np.float32), size_hw)[0].tolist()
    if x1 <= x0 or y1 <= y0:
        raise InputError(
            f"The box {tuple(bbox_xyxy)} has no area inside the frame of {frame.width} x {frame.height}.",
            hint="Give x0 < x1 and y0 < y1 in pixels of the upright frame.",
            code="bad-box",
        )
    return (x0, y0, x1, y1)
