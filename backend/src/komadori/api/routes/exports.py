"""Datasets that are written to disk."""

from fastapi import APIRouter, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Export
from komadori.services import export

router = APIRouter(prefix="/exports", tags=["exports"])


@router.post("", status_code=202, responses=documented(404, 409))
def start_export(ctx: Ctx, body: Export, response: Response) -> answers.Job:
    """Write a dataset to a folder of the machine that runs Komadori."""
    return accepted(export.request(ctx, body.directory, body.format, body.status, body.project), response)
