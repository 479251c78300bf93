"""Annotations, the runs that propose them, and what people decide about them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from komadori.api import answers
from komadori.api.deps import ActingCtx, Ctx
from komadori.api.errors import documented
from komadori.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page_of, position
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import (
    Annotate,
    Decide,
    DecideMatching,
    DrawAnnotation,
    EditAnnotation,
    Id,
    Name,
    ProjectFilter,
    Revert,
)
from komadori.api.waiting import in_waiting_thread
from komadori.api.writing import in_writing_thread
from komadori.core.masks import Rle
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import annotations, projects, revisions
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


@router.get("/annotation-runs", responses=documented(404))
def list_runs(
    ctx: Ctx, project: ProjectFilter = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[answers.AnnotationRun]:
    """Runs by id: what was asked of which model; each is there once a worker has begun it."""
    after_id = position(cursor) or 0
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        found = annotations.runs_page(session, project_id, after_id=after_id, limit=limit + 1)
        total = annotations.count_runs(session, project_id)
    return page_of(found, limit, total, answers.AnnotationRun.of, lambda run: run.id)


@router.get("/annotations", responses=documented(404))
def list_annotations(
    ctx: Ctx,
    project: ProjectFilter = None,
    video_id: Id | None = None,
    frame_id: Id | None = None,
    status: Annotated[AnnotationStatus | None, Query()] = None,
    class_name: Annotated[Name | None, Query()] = None,
    run_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[answers.Annotation]:
    """Annotations by id; each filter narrows the choice."""
    after_id = position(cursor) or 0
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        which = Filter(project_id, video_id, frame_id, status, class_name, run_id)
        found = annotations.page(session, which, after_id=after_id, limit=limit + 1)
        total = annotations.count(session, which)
    return page_of(found, limit, total, answers.Annotation.of, lambda annotation: annotation.id)


@router.post("/annotations", status_code=201, responses=documented(404))
def draw_annotation(ctx: ActingCtx, body: DrawAnnotation, response: Response) -> answers.Annotation:
    """Add an object that a person has found; it is accepted from the start."""
    mask = None if body.segmentation is None else body.segmentation.to_rle()
    drawn = review.draw(ctx, body.frame_id, body.class_name, _box(body.bbox_xyxy), mask)
    response.headers["Location"] = f"/api/v1/annotations/{drawn.id}"
    return answers.Annotation.of(drawn)


@router.post("/annotations/decisions", responses=documented(404))
def decide(ctx: ActingCtx, body: Decide) -> answers.Decided:
    """Give annotations the same status, all of them or none."""
    ids = review.decide(ctx, body.ids, body.status)
    with ctx.sessions.read() as session:
        decided = annotations.named(session, ids) if body.return_items else []
    items = [answers.Annotation.of(annotation) for annotation in decided]
    return answers.Decided(ids=list(map(str, ids)), items=items)


@router.post("/annotations/decisions/matching", responses=documented(404))
def decide_matching(ctx: ActingCtx, body: DecideMatching) -> answers.DecidedMatching:
    """Accept or reject all open proposals that match, or none where they are too many."""
    which = review.Matching(
        body.project,
        class_name=body.class_name,
        video_id=body.video_id,
        frame_id=body.frame_id,
        run_id=body.run_id,
        min_confidence=body.min_confidence,
        max_confidence=body.max_confidence,
    )
    ids = review.decide_matching(ctx, which, AnnotationStatus(body.status))
    return answers.DecidedMatching(ids=list(map(str, ids)), total=len(ids))


@router.get("/annotations/{annotation_id}", responses=documented(404))
def get_annotation(ctx: Ctx, annotation_id: Id) -> answers.Annotation:
    """One annotation."""
    with ctx.sessions.read() as session:
        return answers.Annotation.of(annotations.get(session, annotation_id))


@router.patch("/annotations/{annotation_id}", responses=documented(404, 409))
def edit_annotation(ctx: ActingCtx, annotation_id: Id, body: EditAnnotation) -> answers.Annotation:
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


@router.post("/annotations/{annotation_id}/revert", responses=documented(404, 409))
def revert_annotation(ctx: ActingCtx, annotation_id: Id, body: Revert) -> answers.Annotation:
    """Give an annotation the whole state of an earlier revision, as a new one."""
    reverted = review.revert(ctx, annotation_id, body.revision, expected_revision=body.expected_revision)
    return answers.Annotation.of(reverted)


@router.delete("/annotations/{annotation_id}", status_code=204, responses=documented(404))
def delete_annotation(ctx: Ctx, annotation_id: Id) -> None:
    """Delete an annotation with its history; a wrong proposal is better rejected, or it is made again."""
    review.delete(ctx, annotation_id)


@router.get("/annotations/{annotation_id}/history", responses=documented(404))
def get_history(ctx: Ctx, annotation_id: Id) -> answers.History:
    """What an annotation was in its earlier revisions, oldest first."""
    with ctx.sessions.read() as session:
        annotations.get(session, annotation_id)
        states = revisions.history(session, annotation_id)
    return answers.History(items=[answers.FormerState.of(state) for state in states])


def _box(corners: list[float] | None) -> review.Box | None:
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return (x0, y0, x1, y1)
