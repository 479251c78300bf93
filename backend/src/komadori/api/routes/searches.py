"""Searches in words, by a stored frame, or by a picture.

A search waits for a worker, so it runs in threads of its own: however many wait, the
rest of the API answers.
"""

from collections.abc import Callable
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import APIRouter, Form, Request, UploadFile

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import TooLargeError, documented
from komadori.api.guard import MAX_UPLOAD_BYTES, UPLOAD_PATH
from komadori.api.schemas import ROOT, HitCount, Id, Name, Search
from komadori.db.repositories import projects
from komadori.services import search
from komadori.services.search import Scope

router = APIRouter(prefix="/searches", tags=["searches"])

SEARCHES_AT_ONCE = 16

T = TypeVar("T")


@router.post("", responses=documented(404))
async def search_frames(ctx: Ctx, body: Search, request: Request) -> answers.Found:
    """The frames that show what the words say, or that look like a stored frame."""
    scope = Scope(body.project, body.video_id)
    if body.like_frame_id is not None:
        frame_id = body.like_frame_id
        result = await _in_own_thread(request, lambda: search.by_frame(ctx, frame_id, body.k, scope))
        return answers.Found.of(f"frame {frame_id}", result)
    text = body.text or ""
    result = await _in_own_thread(request, lambda: search.by_text(ctx, text, body.k, scope))
    return answers.Found.of(text, result)


@router.post(UPLOAD_PATH.removeprefix(f"{ROOT}{router.prefix}"), responses=documented(404))
async def search_by_picture(
    ctx: Ctx,
    request: Request,
    file: UploadFile,
    k: Annotated[HitCount, Form()] = 20,
    video_id: Annotated[Id | None, Form()] = None,
    project: Annotated[Name, Form()] = projects.DEFAULT,
) -> answers.Found:
    """The frames that look like a picture (JPEG, PNG, WebP, BMP, GIF or TIFF)."""
    picture = await file.read(MAX_UPLOAD_BYTES + 1)
    if len(picture) > MAX_UPLOAD_BYTES:
        raise TooLargeError(
            f"The picture is larger than {MAX_UPLOAD_BYTES // 2**20} MiB.", hint="Make it smaller."
        )
    scope = Scope(project, video_id)
    result = await _in_own_thread(request, lambda: search.by_picture(ctx, picture, k, scope))
    return answers.Found.of(file.filename or "picture", result)


async def _in_own_thread(request: Request, work: Callable[[], T]) -> T:
    limiter: anyio.CapacityLimiter = request.app.state.searches
    return await anyio.to_thread.run_sync(work, limiter=limiter)
