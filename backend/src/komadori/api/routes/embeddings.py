"""Backfilling of vectors."""

from fastapi import APIRouter, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Embed
from komadori.services import embed

router = APIRouter(prefix="/embeddings", tags=["embeddings"])


@router.post("", status_code=202, responses=documented(404))
def start_embedding(ctx: Ctx, body: Embed, response: Response) -> answers.Job:
    """Embed the frames of a project or a video that the model in use has not embedded yet."""
    return accepted(embed.request(ctx, project=body.project, video_id=body.video_id), response)
