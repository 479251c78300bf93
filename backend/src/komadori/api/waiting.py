"""Threads for requests that wait for a worker, so that the rest of the API answers however many wait."""

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
