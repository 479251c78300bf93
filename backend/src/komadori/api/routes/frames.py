"""Single frames and their pictures."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import FileResponse

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.schemas import Id
from komadori.db.repositories import videos
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
