"""Outlines the object that a person clicks on: asked by the API, answered by a worker that segments.

Nothing is stored of it: whoever likes the mask makes an annotation of it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError
from komadori.core.masks import Rle
from komadori.core.types import ClickPrompt, Frame, JsonDict, Queue, Refinement
from komadori.db.repositories import annotations, videos
from komadori.db.repositories import queries as query_rows
from komadori.db.repositories.queries import Query, QueryKind
from komadori.media.images import read_frame
from komadori.ml.segmenters.base import ClickSegmenter, check_click_prompt
from komadori.services import queries
from komadori.services.context import Context
from komadori.services.queries import Asker

MAX_POINTS = 64

Box = tuple[float, float, float, float]

_ASKER = Asker(Queue.SAM3, "a mask of the clicks", "click again", "no-segmenting-worker")


@dataclass(frozen=True, slots=True)
class Point:
    """A click, in pixels of the upright frame; not positive where it says "this does not belong to it"."""

    x: float
    y: float
    is_positive: bool


@dataclass(frozen=True, slots=True)
class Segmented:
    """What was outlined, and by which model."""

    refinement: Refinement
    model_id: str
    model_revision: str


def segment(
    ctx: Context,
    frame_id: int,
    points: Sequence[Point],
    *,
    box_xyxy: Box | None = None,
    annotation_id: int | None = None,
    has_left: Callable[[], bool] = lambda: False,
) -> Segmented:
    """The object in a frame that the clicks mean; waits for a worker, ahead of all bulk work.

    Args:
        ctx: The ports.
        frame_id: Which frame.
        points: On the object and beside it.
        box_xyxy: Around the object, in pixels.
        annotation_id: Of this frame, whose mask (or box, where it has none) is to be refined.
        has_left: Whether nobody waits for the answer any more.

    Raises:
        InputError: Nothing says where the object is, something of it lies outside the frame, or the
            annotation is one of another frame.
        NotFoundError: The frame or the annotation does not exist.
        DependencyError: No worker made the mask in time, or its model does not answer clicks.
    """
    with ctx.sessions.read() as session:
        frame = videos.get_frame(session, frame_id)
        former = None if annotation_id is None else annotations.get(session, annotation_id)
    if former is not None and former.frame_id != frame_id:
        raise InputError(
            f"Annotation {former.id} is in frame {former.frame_id}, not in frame {frame_id}.",
            hint="Name an annotation of this frame, or none.",
            code="other-frame",
        )
    mask = None if former is None else former.mask
    if box_xyxy is None and former is not None and mask is None:
        box_xyxy = former.bbox_xyxy
    clicks: JsonDict = {
        "frame_id": frame_id,
        "points": [[point.x, point.y, point.is_positive] for point in points],
        "box_xyxy": box_xyxy,
        "mask": None if mask is None else mask.to_coco(),
    }
    check_click_prompt(_prompt(clicks), (frame.height, frame.width))
    return _ask(ctx, clicks, has_left)


def answer_query(ctx: Context, segmenter: ClickSegmenter, query_id: int) -> bool:
    """Answer clicks with a mask; False when somebody else did."""
    return queries.answer(ctx, Queue.SAM3, query_id, lambda query: _answer(ctx, segmenter, query))


def answer_waiting_queries(ctx: Context, segmenter: ClickSegmenter) -> int:
    """Answer all clicks that wait: how many queries there were."""
    return queries.answer_waiting(ctx, Queue.SAM3, lambda query: _answer(ctx, segmenter, query))


def _ask(ctx: Context, clicks: JsonDict, has_left: Callable[[], bool]) -> Segmented:
    content = json.dumps(clicks)
    key = hashlib.sha256(content.encode()).hexdigest()
    source = ctx.options.segmenter
    query = queries.ask(
        ctx,
        _ASKER,
        lambda session: query_rows.add(session, source, QueryKind.CLICKS, key, content),
        is_kept=False,
        has_left=has_left,
    )
    answer = query.answer
    assert answer is not None
    return Segmented(
        Refinement(Rle.from_coco(answer["mask"]), answer["confidence"]),
        answer["model_id"],
        answer["model_revision"],
    )


def _answer(ctx: Context, segmenter: ClickSegmenter, query: Query) -> queries.Write:
    clicks: JsonDict = json.loads(query.content)
    image = read_frame(ctx.blobs.get(_frame(ctx, clicks["frame_id"]).image_key))
    found = segmenter.refine(image, _prompt(clicks))
    answer: JsonDict = {
        "mask": found.mask.to_coco(),
        "confidence": found.confidence,
        "model_id": segmenter.model_id,
        "model_revision": segmenter.model_revision,
    }
    return lambda session: query_rows.answer(session, query.id, answer)


def _frame(ctx: Context, frame_id: int) -> Frame:
    with ctx.sessions.read() as session:
        return videos.get_frame(session, frame_id)


def _prompt(clicks: JsonDict) -> ClickPrompt:
    points = np.array(clicks["points"], np.float32).reshape(-1, 3)
    box: NDArray[np.float32] | None = None
    if clicks["box_xyxy"] is not None:
        box = np.array(clicks["box_xyxy"], np.float32)
    mask = None if clicks["mask"] is None else Rle.from_coco(clicks["mask"])
    return ClickPrompt(points[:, :2], points[:, 2] > 0, box, mask)
