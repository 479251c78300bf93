"""The port for waking a worker. The message is a hint: the database is the truth."""

from typing import Protocol

from komadori.core.types import Priority, Queue


class JobQueue(Protocol):
    """Tells a worker of a queue to look at a row.

    A hint may be lost or come twice; both are harmless, because work is claimed in the
    database. Sending never blocks for longer than a few seconds.
    """

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        """Say that a chunk waits; False when the hint could not be sent."""

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        """Say that a person waits for the answer to a query, ahead of all bulk work."""

    def is_reachable(self) -> bool:
        """Whether hints can be sent now."""
