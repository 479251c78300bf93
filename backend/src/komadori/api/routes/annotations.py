"""Annotations, the runs that propose them, and what people decide about them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page_of, position
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Annotate, Decide, DrawAnnotation, EditAnnotation, Id, ProjectFilter
from komadori.api.waiting import in_waiting_thread
from komadori.api.writing import in_writing_thread
from komadori.core.masks import Rle
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import annotations, projects, videos
from komadori.db.repositories.annotations import Filter
from komadori.services import annotate, review

router = APIRouter(tags=["annotations"])


@router.post("/annotation-runs", status_code=202, responses=documented(404))
async def start_run(ctx: Ctx, body: Annotate, request: Request, response: Response) -> answers.Job:
    """Let the segmenter propose annotations; a search for the frames may wait for its worker."""
    targets = annotate.Targets(
        project=body.project,
        video_id=body.video_id,
        frame_ids=body.frame_ids or [],
        search_text=body.search.text if body.search else None,
        top=body.search.top if body.search else 0,
    )
    in_thread = in_writing_thread if body.search is None else in_waiting_thread
    job = await in_thread(
        request,
        lambda: annotate.request(
            ctx,
            body.prompts,
            targets,
            score_threshold=body.score_threshold,
            mask_threshold=body.mask_threshold,
            force=body.force,
        ),
    )
    return accepted(job, response)


@router.get("/annotations", responses=documented(404))
def list_annotations(
    ctx: Ctx,
    project: ProjectFilter = None,
    video_id: Id | None = None,
    frame_id: Id | None = None,
    status: Annotated[AnnotationStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[answers.Annotation]:
    """Annotations by id; each filter narrows the choice."""
    after_id = position(cursor) or 0
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        which = Filter(project_id, video_id, frame_id, status)
        found = annotations.page(session, which, after_id=after_id, limit=limit + 1)
        total = annotations.count(session, which)
    return page_of(found, limit, total, answers.Annotation.of, lambda annotation: annotation.id)


@router.post("/annotations", status_code=201, responses=documented(404))
def draw_annotation(ctx: Ctx, body: DrawAnnotation, response: Response) -> answers.Annotation:
    """Add an object that a person has found; it is accepted from the start."""
    mask = None if body.segmentation is None else body.segmentation.to_rle()
    drawn = review.draw(ctx, body.frame_id, body.class_name, _box(body.bbox_xyxy), mask)
    response.headers["Location"] = f"/api/v1/annotations/{drawn.id}"
    return answers.Annotation.of(drawn)


@router.post("/annotations/decisions", responses=documented(404))
def decide(ctx: Ctx, body: Decide) -> answers.Annotations:
    """Give annotations the same status, all of them or none."""
    decided = review.decide(ctx, body.ids, body.status)
    return answers.Annotations(items=[answers.Annotation.of(annotation) for annotation in decided])


@router.get("/annotations/{annotation_id}", responses=documented(404))
def get_annotation(ctx: Ctx, annotation_id: Id) -> answers.Annotation:
    """One annotation."""
    with ctx.sessions.read() as session:
        return answers.Annotation.of(annotations.get(session, annotation_id))


@router.patch("/annotations/{annotation_id}", responses=documented(404, 409))
def edit_annotation(ctx: Ctx, annotation_id: Id, body: EditAnnotation) -> answers.Annotation:
    """Change an annotation; what it was is kept in its history."""
    mask: Rle | None = None if body.segmentation is None else body.segmentation.to_rle()
    edited = review.edit(
        ctx,
        annotation_id,
        class_name=body.class_name,
        bbox_xyxy=_box(body.bbox_xyxy),
        mask=mask,
        status=body.status,
        expected_revision=body.expected_revision,
    )
    return answers.Annotation.of(edited)


@router.delete("/annotations/{annotation_id}", status_code=204, responses=documented(404))
def delete_annotation(ctx: Ctx, annotation_id: Id) -> None:
    """Delete an annotation with its history; a wrong proposal is better rejected, or it is made again."""
    review.delete(ctx, annotation_id)


@router.get("/annotations/{annotation_id}/history", responses=documented(404))
def get_history(ctx: Ctx, annotation_id: Id) -> answers.History:
    """What an annotation was in its earlier revisions, oldest first."""
    with ctx.sessions.read() as session:
        annotation = annotations.get(session, annotation_id)
        frame = videos.get_frame(session, annotation.frame_id)
        states = annotations.history(session, annotation_id)
        names = projects.class_names_by_id(session, {state["class_id"] for state in states})
    size_hw = (frame.height, frame.width)
    return answers.History(
        items=[answers.FormerState.of(state, names[state["class_id"]], size_hw) for state in states]
    )


def _box(corners: list[float] | None) -> review.Box | None:
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return (x0, y0, x1, y1)
