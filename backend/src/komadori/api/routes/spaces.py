"""The vectors of embedding spaces, for workers on machines that cannot share this one's disk.

Ids and vectors travel as :mod:`komadori.core.vector_rows` writes them. Each request leaves the same
behind when it comes twice. That a frame has a vector is said by the database alone, which the
worker writes to itself: a vector without that is never shown, and one that nobody asks for hurts nobody.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from komadori.api import system_answers as answers
from komadori.api.deps import Ctx
from komadori.api.errors import TooLargeError, documented
from komadori.core import vector_rows
from komadori.core.errors import InputError
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import embeddings
from komadori.vectors.base import VectorIndex

router = APIRouter(prefix="/spaces", tags=["spaces"], responses=documented(404))

MAX_ANSWER_BYTES = 8 * 2**20
MAX_NEIGHBOURS = 100_000

_KEY = r"^[A-Za-z0-9_.-]{1,60}-[1-9][0-9]{0,5}-[0-9a-f]{24}$"
_BINARY = "application/octet-stream"
_BYTES_HINT = "GET /api/v1/openapi.json says what bytes are meant."
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
}


def _body(description: str) -> dict[str, Any]:
    """Says to OpenAPI what the bytes of a request are."""
    content = {_BINARY: {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


async def _bytes(request: Request) -> bytes:
    body = await request.body()
    if not body:
        raise InputError("Expected a body of bytes, got none.", hint=_BYTES_HINT, code="vector-bytes")
    return body


def _space(ctx: Ctx, space_key: Annotated[str, Path(pattern=_KEY)]) -> EmbeddingSpace:
    with ctx.sessions.read() as session:
        return embeddings.space_by_key(session, space_key)


Space = Annotated[EmbeddingSpace, Depends(_space)]


def _index(ctx: Ctx, space: Space) -> VectorIndex:
    return ctx.index_of(space)


Index = Annotated[VectorIndex, Depends(_index)]
Body = Annotated[bytes, Depends(_bytes)]


@router.get("/{space_key}")
def get_space(space: Space, index: Index) -> answers.Space:
    """A model that was used here, and how many frames have its vector."""
    return answers.Space.of(space, index.count())


@router.post(
    "/{space_key}/vectors",
    status_code=204,
    openapi_extra=_body("Rows of a 64-bit id and its float32 vector of unit norm, little-endian"),
)
def upsert_vectors(index: Index, body: Body) -> None:
    """Store vectors under distinct ids, in place of what these had: all of them or none."""
    index.upsert(*vector_rows.decode_rows(body, index.dim))


@router.post(
    "/{space_key}/vectors/fetches",
    response_class=Response,
    responses=_BYTES,
    openapi_extra=_body("64-bit ids, little-endian"),
)
def fetch_vectors(index: Index, body: Body) -> Response:
    """The float32 vectors of these ids, in their order, little-endian; 8 MiB at most."""
    ids = vector_rows.decode_ids(body)
    if len(ids) * 4 * index.dim > MAX_ANSWER_BYTES:
        raise TooLargeError(
            f"The vectors of {len(ids)} ids are more than {MAX_ANSWER_BYTES // 2**20} MiB.",
            hint="Ask for fewer at once.",
        )
    return Response(vector_rows.encode_vectors(index.fetch(ids)), media_type=_BINARY)


@router.post(
    "/{space_key}/vectors/deletions", status_code=204, openapi_extra=_body("64-bit ids, little-endian")
)
def delete_vectors(index: Index, body: Body) -> None:
    """Forget the vectors of these ids; unknown ones are ignored."""
    index.delete(vector_rows.decode_ids(body))


@router.post(
    "/{space_key}/vectors/searches",
    response_class=Response,
    responses=_BYTES,
    openapi_extra=_body("A float32 vector of unit norm, then the 64-bit ids to look at, little-endian"),
)
def search_vectors(
    index: Index,
    body: Body,
    k: Annotated[int, Query(ge=1, le=MAX_NEIGHBOURS)] = 20,
    within: Annotated[bool, Query(description="Look only at the ids that follow the vector")] = False,
) -> Response:
    """The ids with the largest inner products, best first, each followed by it as float32."""
    end = 4 * index.dim
    if len(body) < end or (len(body) > end and not within):
        raise InputError(
            f"Expected a vector of {end} bytes, got {len(body)} bytes with within={within}.",
            hint="Send one vector and, only with within=true, the ids behind it.",
            code="vector-bytes",
        )
    vector = vector_rows.decode_vectors(body[:end], index.dim)[0]
    found = index.search(vector, k, vector_rows.decode_ids(body[end:]) if within else None)
    return Response(vector_rows.encode_scored(found.ids, found.scores), media_type=_BINARY)
