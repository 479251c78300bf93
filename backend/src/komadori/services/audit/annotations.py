"""Whether annotations fit their frames, their runs and their history."""

import math
from collections.abc import Iterator
from typing import Any

from komadori.core.errors import InputError
from komadori.core.masks import Rle
from komadori.core.types import AnnotationSource
from komadori.db.repositories import audits
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look

_ROUNDING_PX = 1e-3
"""Boxes are float32."""


def look_at_annotations(look: Look) -> Iterator[Finding]:
    """Annotations that are wrong in themselves, or do not fit what they refer to."""
    for row in audits.annotations(look.store.sessions):
        look.seen["annotations"] += 1
        subject = f"annotation {row[0].id}"
        for kind, problem in (
            (Kind.ANNOTATION_BOX, _problem_of_box(row)),
            (Kind.ANNOTATION_MASK, _problem_of_mask(row)),
            (Kind.ANNOTATION_ORIGIN, _problem_of_origin(row)),
            (Kind.ANNOTATION_REVISIONS, _problem_of_revisions(row)),
        ):
            if problem is not None:
                yield Finding(kind, subject, problem)


def look_at_runs(look: Look) -> Iterator[Finding]:
    """Frames that a run says to have looked at, and cannot have."""
    with look.store.sessions.read() as session:
        wrong = audits.miscounted_run_frames(session)
    for row in wrong:
        detail = f"Run {row.run_id} has looked at it and kept {row.n_detections} detections."
        yield Finding(Kind.RUN_FRAME, f"frame {row.frame_id}", detail)


def _problem_of_box(row: Any) -> str | None:
    box = (row[0].x0, row[0].y0, row[0].x1, row[0].y1)
    x0, y0, x1, y1 = box
    is_inside = x0 >= -_ROUNDING_PX and y0 >= -_ROUNDING_PX
    is_inside = is_inside and x1 <= row.width + _ROUNDING_PX and y1 <= row.height + _ROUNDING_PX
    if all(map(math.isfinite, box)) and x0 < x1 and y0 < y1 and is_inside:
        return None
    return f"Its box {box} has no area inside the frame of {row.width} x {row.height}."


def _problem_of_mask(row: Any) -> str | None:
    annotation = row[0]
    size_hw = (annotation.mask_height, annotation.mask_width)
    if annotation.mask_counts is None:
        return None if size_hw == (None, None) else f"It has no mask, but the size {size_hw} of one."
    if size_hw != (row.height, row.width):
        return f"Its mask of {size_hw} is not in the size {(row.height, row.width)} of its frame."
    try:
        area = Rle((row.height, row.width), annotation.mask_counts).area
    except InputError as error:
        return f"Its mask cannot be read: {error.message}"
    return None if area else "Its mask is empty."


def _problem_of_origin(row: Any) -> str | None:
    annotation = row[0]
    if row.class_project_id != row.project_id:
        return "Its class belongs to another project."
    if annotation.source not in set(AnnotationSource):
        return f"Its source is {annotation.source!r}."
    if annotation.confidence is not None and not 0 <= annotation.confidence <= 1:
        return f"Its confidence is {annotation.confidence}."
    if annotation.run_id is None:
        is_orphan = annotation.source == AnnotationSource.MODEL and annotation.revision == 1
        return "A model proposed it, but no run is named." if is_orphan else None
    if row.run_project_id != row.project_id:
        return f"Its run {annotation.run_id} belongs to another project."
    if row.seen_by is None:
        return f"Its run {annotation.run_id} does not say that it has looked at its frame."
    return None


def _problem_of_revisions(row: Any) -> str | None:
    """A change keeps the former state: revision N has N - 1 of them."""
    revision = row[0].revision
    if revision >= 1 and row.n_former == revision - 1 and (row.newest or 0) == revision - 1:
        return None
    return f"It is at revision {revision}, with {row.n_former} former ones up to {row.newest}."
