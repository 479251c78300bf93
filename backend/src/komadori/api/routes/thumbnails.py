"""Thumbnails of many frames in one answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from komadori.api.deps import Ctx
from komadori.services import thumbnails
from komadori.services.thumbnails import MAX_IN_A_PACK

router = APIRouter(prefix="/thumbnails", tags=["frames"])

_BINARY = "application/octet-stream"
_PACK: dict[int | str, dict[str, Any]] = {
    200: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
}
_FOR_EVER = "private, max-age=31536000, immutable"

FrameIds = Annotated[
    str,
    Query(
        pattern=rf"^[1-9][0-9]{{0,17}}(,[1-9][0-9]{{0,17}}){{0,{MAX_IN_A_PACK - 1}}}$",
        description=f"1 to {MAX_IN_A_PACK} ids of frames, with commas between them",
        examples=["1,2,3"],
    ),
]


@router.get("", response_class=Response, responses=_PACK)
def get_thumbnails(ctx: Ctx, ids: FrameIds) -> Response:
    """The count N and N lengths in bytes (uint32, little-endian; 0: there is none), then the N JPEGs.

    In the order asked for. Many small requests cost the browser and the server far more than the pictures.
    """
    packed = thumbnails.pack(ctx, [int(part) for part in ids.split(",")])
    lasts = _FOR_EVER if packed.is_whole else "no-store"
    return Response(packed.content, media_type=_BINARY, headers={"Cache-Control": lasts})
