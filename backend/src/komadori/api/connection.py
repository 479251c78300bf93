"""Closes connections over which a request comes too slowly; uvicorn by itself waits for ever.

A request's head must be there soon, and a body that nobody waits for must end soon. While a body is being
read, :mod:`komadori.api.guard` watches its pace. The head may have 64 KiB, which uvicorn sees to.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S = 20.0
"""From the connection, or the first byte of a further request, to the end of its headers."""


class TimedConnection(H11Protocol):
    """A connection that ends when the client owes something for too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that only connects sends nothing that could start it."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and look whether it was enough."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if not self._is_owed():
            self._stop_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _is_owed(self) -> bool:
        """Whether the head of a request is still to come, or the rest of a body that was answered already."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and is_answered)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
