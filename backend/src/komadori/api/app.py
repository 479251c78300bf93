"""The HTTP API as an ASGI application. Importing it loads no model library and no decoder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import anyio
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute

import komadori
from komadori.api import errors, session_cookie, ui
from komadori.api.answers import Problem
from komadori.api.events import EventHub
from komadori.api.guard import LOOPBACK_NAMES, Access, Guard
from komadori.api.reaper import Reaper
from komadori.api.receiving import Receiver
from komadori.api.routes import (
    annotations,
    embeddings,
    events,
    export_formats,
    exports,
    frames,
    health,
    jobs,
    models,
    playback,
    projects,
    searches,
    segmentations,
    session,
    spaces,
    system,
    thumbnails,
    uploads,
    verifications,
    videos,
    workers,
)
from komadori.api.schemas import ROOT
from komadori.api.waiting import WAITING_AT_ONCE
from komadori.api.writing import PATIENCE_S, WRITING_AT_ONCE, take_turn
from komadori.bootstrap import api_context
from komadori.db.repositories import projects as project_rows
from komadori.services.context import Context
from komadori.settings import Settings

REAP_EVERY_S = 2.0

_NOUNS = (
    projects,
    videos,
    playback,
    frames,
    thumbnails,
    searches,
    annotations,
    segmentations,
    jobs,
    export_formats,
    exports,
    verifications,
    embeddings,
    models,
    spaces,
    workers,
    system,
    uploads,
)


def create_app(
    settings: Settings,
    ctx: Context | None = None,
    *,
    is_local: bool = True,
    reap_every_s: float = REAP_EVERY_S,
) -> FastAPI:
    """The application.

    Args:
        settings: Of this installation; the database must be at the newest schema.
        ctx: The ports; opened and closed with the application when not given.
        is_local: Whether it is served on a loopback address, where only loopback names are right.
        reap_every_s: How often chunks of lost workers are looked for.
    """
    app = FastAPI(
        title="Komadori",
        version=komadori.__version__,
        summary="Turns hours of video into a labelled dataset, on your own machine.",
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(settings, ctx, reap_every_s),
        generate_unique_id_function=_operation_name,
    )
    app.state.settings = settings
    app.state.is_local = is_local
    app.state.access = access_of(settings, is_local=is_local)
    errors.install(app)
    app.add_middleware(Guard, access=app.state.access)
    api = APIRouter(prefix=ROOT, responses=errors.documented(401, 403, 408, 413, 422, 503, 507))
    for noun in _NOUNS:
        api.include_router(noun.router, dependencies=[Depends(take_turn)])
    api.include_router(events.router)
    app.include_router(api)
    app.include_router(session.router, responses=errors.documented(401, 403, 408, 413, 422))
    app.include_router(health.router, responses=errors.documented(401, 403, 503))
    ui.mount(app)
    _describe_problems(app)
    return app


def access_of(settings: Settings, *, is_local: bool) -> Access:
    """Who may ask, by the settings."""
    named = frozenset(name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())
    return Access(
        token=settings.token.get_secret_value() if settings.token else None,
        hosts=LOOPBACK_NAMES | named if is_local else None,
        trusted_hosts=named,
    )


def _lifespan(settings: Settings, given: Context | None, reap_every_s: float) -> Any:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        opened = nullcontext(given) if given else api_context(settings, patience_s=PATIENCE_S)
        with opened as ctx:
            app.state.ctx = ctx
            app.state.database_id = await anyio.to_thread.run_sync(_database_id, ctx)
            app.state.events = EventHub(ctx)
            app.state.reaper = Reaper(ctx, reap_every_s)
            app.state.waiting = anyio.CapacityLimiter(WAITING_AT_ONCE)
            app.state.writing = anyio.CapacityLimiter(WRITING_AT_ONCE)
            app.state.receiver = Receiver(ctx)
            app.state.reaper.start()
            try:
                yield
            finally:
                app.state.events.close()
                await anyio.to_thread.run_sync(app.state.reaper.stop)

    return run


def _database_id(ctx: Context) -> str:
    with ctx.sessions.read() as session:
        return project_rows.identity_of_database(session)


def _operation_name(route: APIRoute) -> str:
    """The name of the function: short and stable in generated clients."""
    return route.name


def _describe_problems(app: FastAPI) -> None:
    """Add what FastAPI cannot know by itself: the problem document, the token, and the cookie."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": session_cookie.COOKIE},
        }
        schema["security"] = [{}, {"token": []}, {"session": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
