"""Measures how long each queue stood still: open chunks, and none that ended.

Faults that follow each other may hold up everything for as long as they like. What is bounded is the time
after the last of them: it counts from when a fault began or was over, or a chunk ended, whichever came last.
"""

import threading
import time
from dataclasses import dataclass

from komadori.core.errors import KomadoriError
from komadori.core.types import JobState, Queue
from komadori.db.repositories import queues
from tests.chaos.system import System

_LOOK_EVERY_S = 0.25
_OPEN = (JobState.QUEUED, JobState.RUNNING)


@dataclass(slots=True)
class Stillness:
    """The longest times that a queue stood still: in all, and after a fault; that one from when."""

    in_all_s: float = 0.0
    after_fault_s: float = 0.0
    from_s: float = 0.0


class Watch(threading.Thread):
    """Looks into the database a few times a second; what it cannot see it takes for still."""

    def __init__(self, system: System, began_s: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._system = system
        self._began_s = began_s
        self._must_end = threading.Event()
        self._ended = dict.fromkeys(Queue, 0)
        self._moved_s = dict.fromkeys(Queue, began_s)
        self._has_open = dict.fromkeys(Queue, False)
        self._fault_s = began_s
        self.stillness = {queue: Stillness() for queue in Queue}

    def run(self) -> None:
        with self._system.context() as ctx:
            while not self._must_end.wait(_LOOK_EVERY_S):
                try:
                    with ctx.sessions.read() as session:
                        loads = queues.loads(session)
                except KomadoriError:
                    continue
                for load in loads:
                    self._note(load)

    def fault(self) -> None:
        """A fault has begun, or is over."""
        self._fault_s = time.monotonic()

    def end(self) -> None:
        """Stop looking."""
        self._must_end.set()
        self.join(30)

    def _note(self, load: queues.QueueLoad) -> None:
        now_s, queue = time.monotonic(), load.queue
        n_ended = sum(n for state, n in load.chunks.items() if state not in _OPEN)
        has_open = any(load.chunks.get(state, 0) for state in _OPEN)
        if self._has_open[queue]:
            longest, since_s = self.stillness[queue], max(self._moved_s[queue], self._fault_s)
            longest.in_all_s = max(longest.in_all_s, now_s - self._moved_s[queue])
            if now_s - since_s > longest.after_fault_s:
                longest.after_fault_s, longest.from_s = now_s - since_s, since_s - self._began_s
        if n_ended != self._ended[queue] or not self._has_open[queue]:
            self._moved_s[queue] = now_s
        self._ended[queue], self._has_open[queue] = n_ended, has_open
