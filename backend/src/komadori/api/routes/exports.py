"""Datasets that are written to disk."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import Dataset, Export, Id
from komadori.services import dataset_preview, export, export_archive

router = APIRouter(prefix="/exports", tags=["exports"])

_ZIP = "application/zip"
_ARCHIVE: Mapping[int | str, dict[str, Any]] = {
    200: {"content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}},
    **documented(404, 409),
}


@router.post("", status_code=202, responses=documented(404, 409))
def start_export(ctx: Ctx, body: Export, response: Response) -> answers.Job:
    """Write a dataset to a folder of the machine that runs Komadori."""
    return accepted(export.request(ctx, body.directory, body.format, body.status, body.project), response)


@router.post("/preview", responses=documented(404))
def preview_export(ctx: Ctx, body: Dataset) -> answers.ExportPreview:
    """What an export would hold; nothing is written."""
    found = dataset_preview.preview(ctx, body.format, body.status, body.project)
    return answers.ExportPreview.of(found)


@router.get("/{job_id}/archive", response_class=StreamingResponse, responses={**_ARCHIVE})
def get_archive(ctx: Ctx, job_id: Id) -> StreamingResponse:
    """The folder of a finished export as one ZIP archive, as long as it is there unchanged."""
    found = export_archive.archive(ctx, job_id)
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(found.blocks(), media_type=_ZIP, headers=headers)
