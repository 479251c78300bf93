"""Searches in words, by a stored frame, or by a picture."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import TooLargeError, documented
from komadori.api.guard import MAX_UPLOAD_BYTES, UPLOAD_PATH
from komadori.api.schemas import ROOT, HitCount, Id, Name, Search
from komadori.api.waiting import in_waiting_thread
from komadori.db.repositories import projects
from komadori.services import search
from komadori.services.search import Scope

router = APIRouter(prefix="/searches", tags=["searches"])


@router.post("", responses=documented(404))
async def search_frames(ctx: Ctx, body: Search, request: Request) -> answers.Found:
    """The frames that show what the words say, or that look like a stored frame."""
    scope = Scope(body.project, body.video_id)
    if body.like_frame_id is not None:
        frame_id = body.like_frame_id
        result = await in_waiting_thread(request, lambda: search.by_frame(ctx, frame_id, body.k, scope))
        return answers.Found.of(f"frame {frame_id}", result)
    text = body.text or ""
    result = await in_waiting_thread(request, lambda: search.by_text(ctx, text, body.k, scope))
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
    result = await in_waiting_thread(request, lambda: search.by_picture(ctx, picture, k, scope))
    return answers.Found.of(file.filename or "picture", result)
