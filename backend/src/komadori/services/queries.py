"""What people wait for: a worker answers a query ahead of all bulk work, between two items of it.

A query is a row; a hint tells the workers of its queue of it. Who asks waits here until the row has
its answer, and sees to it meanwhile that a worker hears of it and that there is one.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from komadori.core import errors
from komadori.core.errors import ConflictError, DependencyError, KomadoriError
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import queries, workers
from komadori.db.repositories.queries import Query
from komadori.services.context import Context

_POLL_S = (0.002, 0.05)
_WAKE_AGAIN_S = 3.0
"""After so long without an answer a worker is told again: the hint may have been lost, or its taker."""

_LOOK_AT_WORKERS_S = 0.5
_NO_WORKER_PATIENCE_S = 15.0
"""A worker that starts, or starts again, reports after some seconds; when none has by then, none will."""

_NO_BROKER_PATIENCE_S = 15.0
"""A broker that took no message for so long is away, and a worker that is busy would have looked by then."""

_KEPT = 10_000

_log = logging.getLogger(__name__)

Write = Callable[[Session], None]
"""Stores the answer of a query."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for the workers of a queue, in the words of the errors.

    Attributes:
        queue: Whose workers answer.
        answer: What they give: "a vector of the query".
        again: What to do once they can: "search again".
        no_worker_code: The code of the error when nobody answers.
    """

    queue: Queue
    answer: str
    again: str
    no_worker_code: str


def ask(
    ctx: Context,
    asker: Asker,
    add: Callable[[Session], int],
    *,
    is_kept: bool = True,
    has_left: Callable[[], bool] = lambda: False,
) -> Query:
    """The query that ``add`` puts down, once it is answered.

    Args:
        ctx: The ports.
        asker: Who waits.
        add: Puts the query down: its id.
        is_kept: Whether the row stays for those who ask the same. Else it goes with who asked, and no
            worker begins with it once nobody waits.
        has_left: Whether nobody waits any more.

    Raises:
        KomadoriError: The worker's reason why there is no answer.
        DependencyError: No worker gave one in time.
        ConflictError: Who asked has left.
    """
    _has_worker(ctx, asker)
    with ctx.sessions.write() as session:
        queries.prune(session, 10 * ctx.options.query_timeout_s, _KEPT)
        query_id = add(session)
    try:
        return _await_answer(ctx, asker, query_id, has_left)
    finally:
        if not is_kept:
            with ctx.sessions.write() as session:
                queries.forget(session, query_id)


def answer(ctx: Context, queue: Queue, query_id: int, find: Callable[[Query], Write]) -> bool:
    """Answer a waiting query; False when somebody else did.

    Args:
        ctx: The ports.
        queue: Of this worker.
        query_id: Which query.
        find: Finds the answer; what it raises is told to who waits.
    """
    with ctx.sessions.write() as session:
        query = queries.claim(session, queue, query_id)
    if query is None:
        return False
    _answer(ctx, query, find)
    return True


def answer_waiting(ctx: Context, queue: Queue, find: Callable[[Query], Write]) -> int:
    """Answer all waiting queries of a queue, see :func:`answer`: how many there were."""
    answered = 0
    while True:
        with ctx.sessions.read() as session:
            if not queries.is_any_waiting(session, queue):
                return answered
        with ctx.sessions.write() as session:
            query = queries.claim_any(session, queue)
        if query is None:
            return answered
        _answer(ctx, query, find)
        answered += 1


def _answer(ctx: Context, query: Query, find: Callable[[Query], Write]) -> None:
    try:
        write = find(query)
    except Exception as error:  # noqa: BLE001  (a person waits for the answer)
        _log.warning("query %s has no answer", query.id, exc_info=not isinstance(error, KomadoriError))
        with ctx.sessions.write() as session:
            queries.fail(session, query.id, errors.to_dict(error))
        return
    with ctx.sessions.write() as session:
        write(session)


def _await_answer(ctx: Context, asker: Asker, query_id: int, has_left: Callable[[], bool]) -> Query:
    watch = _Watch(ctx, asker, query_id)
    until_s = time.monotonic() + ctx.options.query_timeout_s
    pause_s, longest_pause_s = _POLL_S
    while time.monotonic() < until_s:
        watch.look()
        with ctx.sessions.read() as session:
            query = queries.get(session, query_id)
        if query is not None and query.state == JobState.DONE:
            return query
        if query is not None and query.state == JobState.FAILED and query.error is not None:
            raise errors.from_dict(query.error)
        if has_left():
            raise ConflictError(
                "Who asked has left before the answer came.", hint="Ask again.", code="nobody-waits"
            )
        time.sleep(pause_s)
        pause_s = min(longest_pause_s, pause_s * 1.5)
    raise _no_answer(asker, f"within {ctx.options.query_timeout_s:g} s", is_told=watch.is_told)


class _Watch:
    """Sees to it, while a query waits, that a worker hears of it and that there is one."""

    def __init__(self, ctx: Context, asker: Asker, query_id: int) -> None:
        self._ctx = ctx
        self._asker = asker
        self._query_id = query_id
        self._worker_seen_s = time.monotonic()
        self._look_at_s = self._worker_seen_s + _LOOK_AT_WORKERS_S
        self._wake_at_s: float | None = None
        self._told_s = self._worker_seen_s
        self.is_told = False
        """Whether the broker took the last hint."""

    def look(self) -> None:
        """Do what is due.

        Raises:
            DependencyError: Nobody can answer.
        """
        if self._wake_at_s is None or time.monotonic() >= self._wake_at_s:
            self._wake_worker()
        if time.monotonic() >= self._look_at_s:
            self._look_for_worker()

    def _wake_worker(self) -> None:
        if self._wake_at_s is not None:  # who took the query may be dead; two who answer it say the same
            with self._ctx.sessions.write() as session:
                queries.requeue(session, self._query_id)
        self.is_told = self._ctx.queue.wake_for_query(self._asker.queue, self._query_id)
        if self.is_told:
            self._told_s = time.monotonic()
        elif time.monotonic() > self._told_s + _NO_BROKER_PATIENCE_S:
            raise _no_answer(self._asker, f"for {_NO_BROKER_PATIENCE_S:g} s", is_told=False)
        self._wake_at_s = time.monotonic() + _WAKE_AGAIN_S

    def _look_for_worker(self) -> None:
        if _has_worker(self._ctx, self._asker):
            self._worker_seen_s = time.monotonic()
        elif time.monotonic() > self._worker_seen_s + _NO_WORKER_PATIENCE_S:
            raise _no_worker(self._asker)
        self._look_at_s = time.monotonic() + _LOOK_AT_WORKERS_S


def _has_worker(ctx: Context, asker: Asker) -> bool:
    """Whether a worker answers, or will once it is up.

    Raises:
        DependencyError: Every worker waits for its model.
    """
    with ctx.sessions.read() as session:
        found = workers.of_queue(session, asker.queue)
    if found and all(worker.state == WorkerState.WAITING for worker in found):
        raise DependencyError(
            f"The worker for the queue {asker.queue} cannot answer yet, {found[0].detail}",
            hint=f"{asker.again.capitalize()} once it is ready; `komadori models` lists what is here.",
            code="waiting-for-model",
        )
    return bool(found)


def _no_worker(asker: Asker) -> DependencyError:
    return DependencyError(
        f"No worker for the queue {asker.queue} runs, so nothing makes {asker.answer}.",
        hint=f"Start one with `komadori worker {asker.queue}`, "
        "in containers with `make up-gpu` or `make up`.",
        code=asker.no_worker_code,
    )


def _no_answer(asker: Asker, waited: str, *, is_told: bool) -> DependencyError:
    if not is_told:
        return DependencyError(
            f"The broker took no message {waited}, so no worker has heard of the query.",
            hint=f"Check that the broker runs and answers (`komadori doctor`), then {asker.again}.",
            code="unreachable-broker",
        )
    return DependencyError(
        f"No {asker.queue} worker made {asker.answer} {waited}.",
        hint=f"See with `komadori doctor` whether the queue {asker.queue} has a worker, then {asker.again}.",
        code=asker.no_worker_code,
    )
