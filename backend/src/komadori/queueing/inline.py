"""Runs the work in the calling process at once: for tests, and for trying things out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from komadori.core.types import Priority, Queue
from komadori.queueing.base import JobQueue


@dataclass(slots=True)
class InlineQueue:
    """Calls the two functions, which the owner sets once it has them.

    A hint that comes while another is being followed waits in line, as it would with a
    worker, so that a chunk that announces the next does not nest.
    """

    run_chunk: Callable[[int], object] = lambda _chunk_id: None
    run_query: Callable[[int], object] = lambda _query_id: None
    _waiting: list[Callable[[], object]] = field(default_factory=list)
    _is_busy: bool = False

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        """Run the chunk, after those that came before."""
        del queue, priority
        self._waiting.append(lambda: self.run_chunk(chunk_id))
        self._drain()
        return True

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        """Run the query at once, ahead of all chunks."""
        del queue
        self.run_query(query_id)
        return True

    def is_reachable(self) -> bool:
        """Always."""
        return True

    def _drain(self) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._waiting:
                self._waiting.pop(0)()
        finally:
            self._is_busy = False


def create() -> JobQueue:
    """A queue that does nothing until its functions are set."""
    return InlineQueue()
