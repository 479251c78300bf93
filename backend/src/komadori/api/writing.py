"""Lets few requests change something at once, so that others answer while these wait for the database."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request

from komadori.core.errors import StorageError

WRITING_AT_ONCE = 8
"""Fewer than there are threads for requests, and connections to the database for those that write."""

PATIENCE_S = 8.0
"""How long a request waits for its turn, and then for the database."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

T = TypeVar("T")


async def take_turn(request: Request) -> AsyncIterator[None]:
    """Wait, without a thread, until there is room for a request that changes something.

    Endpoints that are coroutines see to it themselves: most of them wait for something else.

    Raises:
        StorageError: There was none for long.
    """
    if request.method in _SAFE or inspect.iscoroutinefunction(request.scope["endpoint"]):
        yield
        return
    async with _Turn(request):
        yield


async def in_writing_thread(request: Request, work: Callable[[], T]) -> T:
    """What ``work`` returns, which takes its turn as any request that changes something.

    Raises:
        StorageError: There was no room for long.
    """
    async with _Turn(request):
        return await anyio.to_thread.run_sync(work)


class _Turn:
    def __init__(self, request: Request) -> None:
        self._limiter: anyio.CapacityLimiter = request.app.state.writing

    async def __aenter__(self) -> None:
        try:
            with anyio.fail_after(PATIENCE_S):
                await self._limiter.acquire_on_behalf_of(self)
        except TimeoutError:
            raise StorageError(
                "Other requests have been waiting for the database for too long.",
                hint="See with `komadori doctor` what holds it, then try again.",
                code="database-busy",
            ) from None

    async def __aexit__(self, *_error: object) -> None:
        self._limiter.release_on_behalf_of(self)
