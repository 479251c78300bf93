"""What the routes are given."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Request

from komadori.core.errors import InputError
from komadori.services import names
from komadori.services.context import Context
from komadori.settings import Settings


async def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


_Actor = Annotated[
    str | None,
    Header(
        alias="X-Komadori-Actor",
        description="Who does this, for the history: 1 to 80 characters, percent-encoded as UTF-8.",
    ),
]


async def _acting_context(request: Request, actor: _Actor = None) -> Context:
    ctx = await _context(request)
    return ctx if actor is None else ctx.acting_as(names.person(_decoded(actor)))


def _decoded(actor: str) -> str:
    """A name from a header, whose bytes stand for letters of Latin 1 where they are not percent-encoded."""
    try:
        return unquote(actor.encode("ascii").decode(), errors="strict")
    except UnicodeError:
        raise InputError(
            "X-Komadori-Actor holds bytes that are not percent-encoded UTF-8.",
            hint="Send a name as encodeURIComponent or urllib.parse.quote writes it.",
            code="bad-actor",
        ) from None


Ctx = Annotated[Context, Depends(_context)]
ActingCtx = Annotated[Context, Depends(_acting_context)]
"""For what people do to annotations: it knows who, where the request says so."""

Configuration = Annotated[Settings, Depends(_settings)]
