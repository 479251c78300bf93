"""Progress as every long operation reports it: items done of a total, rate, time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

_check: ContextVar[Callable[[], None]] = ContextVar("check", default=lambda: None)


class Progress(Protocol):
    """Receives how far an operation has come; calls are cheap and may be frequent."""

    def advance(self, n: int = 1) -> None:
        """Report ``n`` more items as finished."""

    def check_cancelled(self) -> None:
        """Raise :class:`Cancelled` when the operation should stop at this point."""


class Cancelled(Exception):  # noqa: N818  (it is no error)
    """The operation was asked to stop; what is finished is kept."""


class NoProgress:
    """Ignores what it is told."""

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def check_cancelled(self) -> None:
        """Do nothing."""


@contextmanager
def stoppable(progress: Progress) -> Iterator[None]:
    """Let the check points in the block ask this progress: for models, whose ports know of none."""
    token = _check.set(progress.check_cancelled)
    try:
        yield
    finally:
        _check.reset(token)


def check_point() -> None:
    """Raise :class:`Cancelled` when the operation around is stoppable and should stop here."""
    _check.get()()


def rate_per_s(done: int, elapsed_s: float) -> float | None:
    """Items a second, or None before anything can be said."""
    return done / elapsed_s if done > 0 and elapsed_s > 0 else None


def seconds_left(done: int, total: int, elapsed_s: float) -> float | None:
    """The time that the rest will take at the rate so far, or None before anything can be said."""
    rate = rate_per_s(done, elapsed_s)
    return None if rate is None else max(0.0, (total - done) / rate)
