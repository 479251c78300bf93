"""Videos as browsers play them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Id
from komadori.services import playback, proxy

router = APIRouter(prefix="/videos", tags=["videos"])

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_TYPES = ("video/mp4", "video/webm", "video/x-matroska", "application/octet-stream")
_MEDIA: Mapping[int | str, dict[str, Any]] = {
    200: {"content": dict.fromkeys(_TYPES, _BYTES)},
    206: {"description": "The part that a Range header asked for", "content": {m: {} for m in _TYPES}},
    **documented(404),
}
_TIMES: Mapping[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": _BYTES}},
    **documented(404),
}

Version = Annotated[playback.Version, Query(description="The file as it was added, or the proxy of it.")]


@router.get("/{video_id}/playback", responses=documented(404))
def get_playback(ctx: Ctx, video_id: Id) -> answers.Playback:
    """What a browser can play of a video, or why there is nothing."""
    return answers.Playback.of(*playback.look(ctx, video_id))


@router.get("/{video_id}/media", response_class=FileResponse, responses={**_MEDIA})
def get_media(ctx: Ctx, video_id: Id, v: Version = "source") -> Response:
    """The file of a video, or a part of it."""
    found = playback.media_file(ctx, video_id, v)
    headers = {
        "ETag": f'"{found.tag}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "inline",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return FileResponse(found.path, headers=headers, media_type=found.mime, stat_result=found.path.stat())


@router.post("/{video_id}/proxies", status_code=202, responses=documented(404))
def make_proxy(ctx: Ctx, video_id: Id, response: Response) -> answers.Job:
    """Make a copy of a video that browsers play, frame for frame the same; the job that does so already."""
    return accepted(proxy.request(ctx, video_id), response)


@router.get("/{video_id}/times", response_class=Response, responses={**_TIMES})
def get_times(ctx: Ctx, video_id: Id, v: Version = "source") -> Response:
    """When the file shows each frame: seconds as little-endian float64, by the frame's index.

    They are what `requestVideoFrameCallback` calls `mediaTime`. To land on a frame, seek to the middle
    between its time and the next one.
    """
    headers = {"Cache-Control": "private, no-cache"}
    return Response(playback.media_times(ctx, video_id, v), 200, headers, "application/octet-stream")
