"""Frames, all or one, and their pictures."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse

from komadori.api import answers
from komadori.api.browsing_answers import FrameTable, frame_table, place_of
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.schemas import ClassFilter, Id, ProjectFilter
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import browsing, projects, videos
from komadori.db.repositories.browsing import FrameFilter
from komadori.services.context import Context

router = APIRouter(prefix="/frames", tags=["frames"])

_JPEG = "image/jpeg"
_PICTURE: Mapping[int | str, dict[str, Any]] = {
    200: {"content": {_JPEG: {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that a Range header asked for", "content": {_JPEG: {}}},
    304: {"description": "The caller has this very picture"},
    **documented(404),
}

IfNoneMatch = Annotated[str | None, Header(description="The ETag of the picture that the caller has.")]


MAX_ROWS = 50_000

Rows = Annotated[int, Query(ge=1, le=MAX_ROWS, description="The most frames to give.")]
AfterFrame = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{1,15}-[0-9a-f]{1,15}-[0-9a-f]{1,15}$",
        description="The `next_cursor` of the page before.",
    ),
]


@router.get("", response_model=FrameTable, responses=documented(404))
def browse_frames(
    ctx: Ctx,
    project: ProjectFilter = None,
    video_id: Id | None = None,
    class_name: ClassFilter = None,
    status: Annotated[AnnotationStatus | None, Query()] = None,
    only: Annotated[Literal["undecided"] | None, Query()] = None,
    cursor: AfterFrame = None,
    limit: Rows = 20_000,
) -> Response:
    """Frames as columns, by video and order of presentation; each filter narrows the choice.

    `class_name` and `status` ask for frames that have such an annotation, `only=undecided` for frames
    with a proposal that nobody has decided about.
    """
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        which = FrameFilter(project_id, video_id, class_name, status, is_undecided=only == "undecided")
        columns = browsing.frame_columns(session, which, place_of(cursor), limit)
        total = browsing.count_frames(session, which)
    return frame_table(columns, total)


@router.get("/{frame_id}", responses=documented(404))
def get_frame(ctx: Ctx, frame_id: Id) -> answers.Frame:
    """One frame."""
    with ctx.sessions.read() as session:
        return answers.Frame.of(videos.get_frame(session, frame_id))


@router.get("/{frame_id}/image", response_class=FileResponse, responses={**_PICTURE})
def get_image(ctx: Ctx, frame_id: Id, if_none_match: IfNoneMatch = None) -> Response:
    """The full picture; its ETag is the sha256 of its bytes in the frame ledger."""
    with ctx.sessions.read() as session:
        frame = videos.get_frame(session, frame_id)
    return _picture(ctx, frame.image_key, frame.image_sha256, if_none_match)


@router.get("/{frame_id}/thumbnail", response_class=FileResponse, responses={**_PICTURE})
def get_thumbnail(ctx: Ctx, frame_id: Id, if_none_match: IfNoneMatch = None) -> Response:
    """The small picture."""
    with ctx.sessions.read() as session:
        frame = videos.get_frame(session, frame_id)
    return _picture(ctx, frame.thumbnail_key, f"{frame.image_sha256}-thumbnail", if_none_match)


def _picture(ctx: Context, key: str, tag: str, if_none_match: str | None) -> Response:
    """A stored picture; it never changes, so the browser need not ask twice."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if if_none_match is not None and _is_among(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    path = ctx.blobs.local_path(key)
    headers |= {"Content-Disposition": "inline", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(path, headers=headers, media_type=_JPEG, stat_result=path.stat())


def _is_among(tag: str, if_none_match: str) -> bool:
    given = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in given or tag in given
