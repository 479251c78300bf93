"""Threads for requests that wait for a worker, so that the rest of the API answers however many wait."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request

WAITING_AT_ONCE = 16

T = TypeVar("T")


async def in_waiting_thread(request: Request, work: Callable[[], T]) -> T:
    """What ``work`` returns; when the server stops, nobody waits for it any more."""
    limiter: anyio.CapacityLimiter = request.app.state.waiting
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)


async def while_client_waits(request: Request, work: Callable[[Callable[[], bool]], T]) -> T:
    """As :func:`in_waiting_thread`, with a function for ``work`` that says whether the client has left.

    The body of the request must have been read.
    """
    has_left = threading.Event()
    watching = asyncio.create_task(_watch(request, has_left))
    try:
        return await in_waiting_thread(request, lambda: work(has_left.is_set))
    finally:
        watching.cancel()


async def _watch(request: Request, has_left: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    has_left.set()
