"""Comparisons of stored frames with their source."""

from fastapi import APIRouter, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Verify
from komadori.services import verify

router = APIRouter(prefix="/verifications", tags=["verifications"])


@router.post("", status_code=202, responses=documented(404))
def start_verification(ctx: Ctx, body: Verify, response: Response) -> answers.Job:
    """Take every stored frame of a video from its source again and compare."""
    return accepted(verify.request(ctx, body.video_id), response)
