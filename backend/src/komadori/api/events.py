"""Tells every connected client of jobs that change, from one look at the database for all.

A client that reads slowly gets the newest state of each job and misses those in between:
what waits for it is at most one message for each job, so it can neither hold up the
others nor fill the memory.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from komadori.api.answers import Job as JobAnswer
from komadori.api.answers import JobEvent
from komadori.core.errors import KomadoriError
from komadori.core.types import Job
from komadori.db.repositories import jobs
from komadori.services.context import Context

POLL_EVERY_S = 0.25

_MAX_JOBS = 1_000
"""Of more jobs that run at once, only the newest are told of."""

_REMEMBER_ENDED_S = 10.0
"""How far back a look reaches for jobs that have ended; the clocks of two machines differ by less."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscriber:
    """What one client has not been told yet: the newest event of each job."""

    _waiting: dict[int, JobEvent] = field(default_factory=dict)
    _has_news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, job_id: int, event: JobEvent) -> None:
        """Keep an event, in place of the one before of the same job."""
        self._waiting.pop(job_id, None)
        self._waiting[job_id] = event
        self._has_news.set()

    async def changes(self) -> list[JobEvent]:
        """The events since the last call, oldest first; waits for the first one."""
        await self._has_news.wait()
        events = list(self._waiting.values())
        self._waiting.clear()
        self._has_news.clear()
        return events


class EventHub:
    """Looks at the jobs while anybody listens, and gives what has changed to all who do."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._subscribers: set[Subscriber] = set()
        self._known: dict[int, tuple[Job, JobEvent]] = {}
        self._seq = 0
        self._poller: asyncio.Task[None] | None = None
        self._limiter = anyio.CapacityLimiter(1)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscriber]:
        """A subscriber that is told of all jobs that run now, and of every change from now on."""
        subscriber = Subscriber()
        for job, event in self._known.values():
            if not job.state.is_terminal:
                subscriber.put(job.id, event)
        self._subscribers.add(subscriber)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll_forever())
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            if not self._subscribers:
                self.close()

    def close(self) -> None:
        """Stop looking."""
        if self._poller is not None:
            self._poller.cancel()
        self._poller = None
        self._known.clear()

    async def _poll_forever(self) -> None:
        while True:
            try:
                found = await anyio.to_thread.run_sync(self._look, limiter=self._limiter)
                self._tell(found)
            except KomadoriError as error:
                _log.warning("the jobs could not be looked at: %s", error)
            except Exception:  # noqa: BLE001 - those who listen now would hear nothing any more
                _log.exception("the jobs could not be looked at")
            await asyncio.sleep(POLL_EVERY_S)

    def _look(self) -> list[Job]:
        with self._ctx.sessions.read() as session:
            return jobs.page(session, limit=_MAX_JOBS, changed_since_s=time.time() - _REMEMBER_ENDED_S)

    def _tell(self, found: list[Job]) -> None:
        known = self._known
        self._known = {}
        for job in reversed(found):
            before = known.get(job.id)
            if before is not None and before[0] == job:
                self._known[job.id] = before
                continue
            self._seq += 1
            event = JobEvent(seq=self._seq, job=JobAnswer.of(job))
            self._known[job.id] = (job, event)
            for subscriber in self._subscribers:
                subscriber.put(job.id, event)
