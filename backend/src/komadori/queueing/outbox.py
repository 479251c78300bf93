"""Hands hints to a thread, so that no request waits for a broker that answers late or not at all.

Who sends a hint waits for a moment only. From the first hint that did not get through until the
broker answers again, hints are refused at once; the thread keeps asking meanwhile. A refused hint
is no loss: the row that it speaks of is announced again by the reaper.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from komadori.core.types import Priority, Queue
from komadori.queueing.base import JobQueue

PATIENCE_S = 1.5
"""How long a sender waits; a busy machine may take a second for what takes a millisecond."""

_ASK_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


class Outbox:
    """Sends the hints of many threads through another queue, one after the other."""

    def __init__(self, queue: JobQueue, *, patience_s: float = PATIENCE_S) -> None:
        self._queue = queue
        self._patience_s = patience_s
        self._is_broken = threading.Event()
        self._errands: SimpleQueue[tuple[Callable[[], bool], Future[bool]] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        """Say that a chunk waits; False when nobody is known to have heard it in time."""
        return self._do(lambda: self._queue.wake_for_chunk(queue, chunk_id, priority))

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        """Say that a query waits; False when nobody is known to have heard it in time."""
        return self._do(lambda: self._queue.wake_for_query(queue, query_id))

    def is_reachable(self) -> bool:
        """Whether the broker answers, as far as that is known in time."""
        return self._do(self._queue.is_reachable)

    def close(self) -> None:
        """End the thread, as soon as the broker lets it."""
        self._errands.put(None)

    def _do(self, call: Callable[[], bool]) -> bool:
        if self._is_broken.is_set():
            return False
        done: Future[bool] = Future()
        self._errands.put((call, done))
        try:
            return done.result(self._patience_s)
        except TimeoutError:
            done.cancel()
            self._note(is_broken=True)
            return False

    def _run(self) -> None:
        while True:
            try:
                errand = self._errands.get(timeout=_ASK_AGAIN_S if self._is_broken.is_set() else None)
            except Empty:
                errand = (self._queue.is_reachable, Future())
            if errand is None:
                return
            call, done = errand
            if done.set_running_or_notify_cancel():
                self._finish(call, done)

    def _finish(self, call: Callable[[], bool], done: "Future[bool]") -> None:
        try:
            has_got_through = call()
        except Exception as error:  # noqa: BLE001 - it is for who asked
            _log.exception("a hint could not be sent")
            done.set_exception(error)
        else:
            self._note(is_broken=not has_got_through)
            done.set_result(has_got_through)

    def _note(self, *, is_broken: bool) -> None:
        if is_broken == self._is_broken.is_set():
            return
        if is_broken:
            self._is_broken.set()
            _log.warning("the broker does not answer; what waits is announced once it does")
        else:
            self._is_broken.clear()
            _log.info("the broker answers again")
