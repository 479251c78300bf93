"""What the routes are given."""

from typing import Annotated

from fastapi import Depends, Request

from komadori.services.context import Context
from komadori.settings import Settings


async def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Ctx = Annotated[Context, Depends(_context)]
Configuration = Annotated[Settings, Depends(_settings)]
