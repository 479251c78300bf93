"""Lets processes that share a card work on it one after the other, so that its memory is asked for once.

Two locks make a turn. Whoever has ``card`` works. Whoever wants it waits with ``next`` in hand,
and lets go of that when the card is theirs: so a process that comes back for another turn finds
one before it, and two that want the card all the time alternate. Both are locks of the kernel
(:mod:`~komadori.core.file_lock`): they end with a killed process, and nothing here ever takes
them from one that lives, be it stopped or hung.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from komadori.core.file_lock import FileLock

SLICE_S = 0.5
"""How long a stretch of work has the card, at least, before it gives way to who waits."""

SAY_AFTER_S = 5.0
"""A wait that is longer than any turn should be is told to people."""

_SAY_AGAIN_S = 60.0
_PAUSE_S = (0.0005, 0.005)
"""The first pause between two looks at a lock, and the longest."""

_log = logging.getLogger(__name__)

_Check = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has the card: its queue, its id and machine (or container), and since when (epoch)."""

    label: str
    pid: int
    host: str
    since_s: float

    def __str__(self) -> str:
        return (
            f"{self.label} (process {self.pid} on {self.host}) for {max(0, time.time() - self.since_s):.0f} s"
        )


class Turns(Protocol):
    """Who works on a card, and when."""

    @property
    def waiting(self) -> str | None:
        """For whom this process has been waiting remarkably long, for people, or None."""

    def turn(self) -> AbstractContextManager[None]:
        """Have the card for the block; inside another turn of this process nothing is waited for."""

    def stretch(self, check_cancelled: _Check) -> AbstractContextManager[None]:
        """Let the turns in the block be one, from the first to the end of the block.

        It gives way between two of them when it had the card for a while and somebody waits.

        Args:
            check_cancelled: Called while a turn is waited for; what it raises ends the wait.
        """


class NoTurns:
    """For a device that nobody else uses, or that many can use at once."""

    waiting: str | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See :meth:`Turns.turn`."""
        yield

    @contextmanager
    def stretch(self, check_cancelled: _Check) -> Iterator[None]:
        """See :meth:`Turns.stretch`."""
        del check_cancelled
        yield


class DeviceTurns:
    """See :class:`Turns`. One object for each process; its threads wait for each other as well.

    Each turn is logged at level debug with its begin and end by the monotonic clock, which all
    processes of a machine share.

    Args:
        folder: Where the locks are; all who share the card must see the same folder.
        name: Of the card, and of its lock files.
        label: Who asks, for people: the queue.
        before_giving: Called with the card still in hand, to leave its memory to others.
        slice_s: See :data:`SLICE_S`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        label: str = "",
        before_giving: Callable[[], object] = lambda: None,
        slice_s: float = SLICE_S,
    ) -> None:
        self.name = name
        self.n_turns = 0
        self._card = FileLock(folder / f"{name}.lock")
        self._next = FileLock(folder / f"{name}.next.lock")
        self._label = label
        self._before_giving = before_giving
        self._slice_s = slice_s
        self._threads = threading.RLock()
        self._depth = 0
        self._begin: float | None = None
        self._waits_since: float | None = None
        self._is_stretch = False
        self._check_cancelled: _Check = _go_on

    @property
    def waiting(self) -> str | None:
        """See :meth:`Turns.waiting`."""
        since = self._waits_since
        if since is None or time.monotonic() - since < SAY_AFTER_S:
            return None
        return f"waiting for its turn on {self.name}, which is with {self.holder() or 'nobody'}"

    def holder(self) -> Holder | None:
        """Who has the card now."""
        record = self._card.read_record()
        if record is None:
            return None
        try:
            return Holder(**json.loads(record))
        except (ValueError, TypeError):
            return Holder("a process that did not say its name", 0, "an unknown machine", time.time())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See :meth:`Turns.turn`.

        Raises:
            StorageError: The lock files cannot be opened.
        """
        with self._threads:
            if self._begin is None:
                self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and not self._may_keep():
                    self._give()

    @contextmanager
    def stretch(self, check_cancelled: _Check) -> Iterator[None]:
        """See :meth:`Turns.stretch`."""
        with self._threads:
            before = self._is_stretch, self._check_cancelled
            self._is_stretch, self._check_cancelled = True, check_cancelled
            try:
                yield
            finally:
                self._is_stretch, self._check_cancelled = before
                if self._depth == 0 and not self._is_stretch:
                    self._give()

    def _may_keep(self) -> bool:
        if not self._is_stretch or self._begin is None:
            return False
        return time.monotonic() - self._begin < self._slice_s or not self._next.is_held()

    def _take(self) -> None:
        asked = time.monotonic()
        self._waits_since = asked
        try:
            self._await_card(asked)
        finally:
            self._next.release()
            self._waits_since = None
        self._begin = time.monotonic()
        self.n_turns += 1
        self._card.write_record(_record(self._label))
        _log.debug("%s takes %s after %.3f s", self._label, self.name, self._begin - asked)

    def _await_card(self, asked: float) -> None:
        has_next = False
        pause_s, longest_pause_s = _PAUSE_S
        say_at = asked + SAY_AFTER_S
        while True:
            has_next = has_next or self._next.try_acquire()
            # The queue is a courtesy: who was stopped while waiting in it must not block a free card.
            is_my_move = has_next or time.monotonic() - asked > SAY_AFTER_S
            if is_my_move and self._card.try_acquire():
                return
            self._check_cancelled()
            if time.monotonic() > say_at:
                _log.warning("%s: %s", self._label, self.waiting)
                say_at += _SAY_AGAIN_S
            time.sleep(pause_s)
            pause_s = min(longest_pause_s, 1.5 * pause_s)

    def _give(self) -> None:
        begin, self._begin = self._begin, None
        if begin is None:
            return
        try:
            self._before_giving()
        finally:
            end = time.monotonic()
            self._card.release()
            _log.debug("turn on %s: %s from %.6f to %.6f", self.name, self._label, begin, end)


def _record(label: str) -> str:
    now = round(time.time(), 3)
    return json.dumps({"label": label, "pid": os.getpid(), "host": os.uname().nodename, "since_s": now})


def _go_on() -> None:
    return None
