"""Uploads by the tus protocol 1.0, which survive any interruption; a video is made of a whole one.

Clients of that protocol create an upload and send its bytes. ``POST /videos`` with the ``upload_id`` then
takes its frames; the id is the last part of the upload's address.
"""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from komadori.api import tus
from komadori.api import upload_answers as answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.guard import UPLOADS_PATH
from komadori.api.paging import Page
from komadori.api.receiving import Receiver
from komadori.api.schemas import ROOT
from komadori.api.tus import TusRoute, state_headers, whole_number
from komadori.core.errors import InputError
from komadori.db.repositories import uploads as rows
from komadori.services import uploads
from komadori.services.incoming import CHECKSUM_ALGORITHMS

router = APIRouter(
    prefix=UPLOADS_PATH.removeprefix(ROOT), tags=["uploads"], route_class=TusRoute, responses=documented(412)
)

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Text = Annotated[str | None, Header()]
_BYTES = {
    "requestBody": {
        "description": "Bytes of the file",
        "content": {tus.CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.options("", status_code=204)
def describe_uploads(ctx: Ctx) -> Response:
    """What of the tus protocol is understood here."""
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Max-Size": str(ctx.options.upload_max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post("", status_code=201, responses=documented(400, 415, 460), openapi_extra=_BYTES)
async def create_upload(
    ctx: Ctx,
    request: Request,
    upload_length: Text = None,
    upload_metadata: Text = None,
    upload_checksum: Text = None,
) -> Response:
    """Begin an upload; `Location` is its address.

    Its metadata may have a `filename`, which is a label, and a `sha256`, which the bytes must have in the
    end. When such bytes are here already, the answer's `Upload-Offset` says that nothing is left to send.
    """
    receiver = _receiver(request)
    size_bytes = whole_number(upload_length, "Upload-Length")
    header = upload_metadata or ""
    metadata = tus.metadata(header)
    n_bytes = _n_bytes(request)
    checksum = tus.checksum(upload_checksum) if n_bytes != 0 else None
    if n_bytes != 0:
        tus.check_content_type(request)
    found = await receiver.in_thread(lambda: uploads.create(ctx, size_bytes, metadata, header))
    if n_bytes != 0 and not found.is_whole:
        found = await receiver.receive(found.upload.id, 0, n_bytes, checksum, request)
    headers = {**state_headers(found), "Location": f"{UPLOADS_PATH}/{found.upload.id}"}
    return Response(status_code=201, headers=headers)


@router.get("")
def list_uploads(
    ctx: Ctx,
    sha256: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="What the bytes are to be")
    ] = None,
) -> Page[answers.Upload]:
    """The newest uploads that have not expired, up to a hundred."""
    with ctx.sessions.read() as session:
        found = rows.newest(session, sha256, limit=100)
        total = rows.count(session, sha256)
    items = [answers.Upload.of(uploads.progress_of(ctx, upload)) for upload in found]
    return Page(items=items, total=total, next_cursor=None)


@router.get("/{upload_id}", responses=documented(404))
def get_upload(ctx: Ctx, upload_id: UploadId) -> answers.Upload:
    """One upload, as it is at this moment; unlike `HEAD` it disturbs nobody who sends."""
    return answers.Upload.of(uploads.get(ctx, upload_id))


@router.head("/{upload_id}", responses=documented(404, 423))
async def get_upload_offset(ctx: Ctx, request: Request, upload_id: UploadId) -> Response:
    """Where to go on. A request that is still sending to this upload is ended, and what came of it counts."""
    receiver = _receiver(request)
    if receiver.is_receiving(upload_id):
        async with receiver.turn(upload_id):
            pass
    found = await receiver.in_thread(lambda: uploads.get(ctx, upload_id))
    return Response(status_code=200, headers=state_headers(found))


@router.patch(
    "/{upload_id}",
    status_code=204,
    responses=documented(400, 404, 409, 415, 423, 460),
    openapi_extra=_BYTES,
)
async def append_to_upload(
    request: Request, upload_id: UploadId, upload_offset: Text = None, upload_checksum: Text = None
) -> Response:
    """Add bytes at the end. What has come is kept, however the request ends."""
    tus.check_content_type(request)
    offset = whole_number(upload_offset, "Upload-Offset")
    checksum = tus.checksum(upload_checksum)
    found = await _receiver(request).receive(upload_id, offset, _n_bytes(request), checksum, request)
    return Response(status_code=204, headers=state_headers(found))


@router.delete("/{upload_id}", status_code=204, responses=documented(404, 423))
async def terminate_upload(ctx: Ctx, request: Request, upload_id: UploadId) -> Response:
    """Forget an upload and what has come of it; a video that was made of it keeps its file."""
    receiver = _receiver(request)
    async with receiver.turn(upload_id):
        await receiver.in_thread(lambda: uploads.terminate(ctx, upload_id))
    return Response(status_code=204)


@router.post(
    "/{upload_id}",
    status_code=204,
    responses=documented(400, 404, 409, 415, 423, 460),
    openapi_extra=_BYTES,
)
async def overridden_upload(
    ctx: Ctx,
    request: Request,
    upload_id: UploadId,
    x_http_method_override: Text = None,
    upload_offset: Text = None,
    upload_checksum: Text = None,
) -> Response:
    """The methods `HEAD`, `PATCH` and `DELETE`, for clients that cannot send them."""
    method = (x_http_method_override or "").upper()
    if method == "PATCH":
        return await append_to_upload(request, upload_id, upload_offset, upload_checksum)
    if method == "DELETE":
        return await terminate_upload(ctx, request, upload_id)
    if method == "HEAD":
        return await get_upload_offset(ctx, request, upload_id)
    raise InputError(
        f"Expected X-HTTP-Method-Override: HEAD, PATCH or DELETE, got {x_http_method_override!r}.",
        hint="Send the method itself, or name it there.",
        code="tus-header",
    )


def _receiver(request: Request) -> Receiver:
    receiver: Receiver = request.app.state.receiver
    return receiver


def _n_bytes(request: Request) -> int | None:
    """How long the body is; None when it comes in parts whose number is not known."""
    length = request.headers.get("content-length")
    if length is None:
        return None if "transfer-encoding" in request.headers else 0
    return whole_number(length, "Content-Length")
