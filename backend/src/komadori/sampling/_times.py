"""Exact steps in time over a stream of frame candidates."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from komadori.core.types import FrameCandidate

_MOST_EXPONENT_DIGITS = 3
"""More make a number that takes gigabytes to write down exactly."""


def exact(value: float | str | Fraction) -> Fraction:
    """A number as it is written: 0.1 is 1/10, and ``30000/1001`` is understood.

    Raises:
        ValueError: It is no number, infinite, or far from all times.
    """
    text = str(value)
    exponent = text.lower().partition("e")[2].lstrip("+-")
    if len(exponent) > _MOST_EXPONENT_DIGITS:
        raise ValueError(f"the exponent of {text[:40]!r} is too large")
    try:
        return Fraction(text)
    except ZeroDivisionError as exc:
        raise ValueError(f"{text!r} divides by zero") from exc


def exact_positive(value: float | str | Fraction) -> Fraction:
    """As :func:`exact`, for a number above zero.

    Raises:
        ValueError: It is no number, not above zero, infinite, or far from all times.
    """
    number = exact(value)
    if number <= 0:
        raise ValueError(f"{value!r} is not above zero")
    return number


def first_at_each_step(frames: Iterable[FrameCandidate], step_s: Fraction) -> Iterator[FrameCandidate]:
    """Yield the first frame at or after each of start, start + step, start + 2 step, ...

    The grid is exact, so nothing drifts over hours. A gap gives one frame at its end,
    not one for each step that it covers. Where time jumps backwards, as in recordings
    that were joined end to end, the grid starts anew.
    """
    start: Fraction | None = None
    wanted = previous = Fraction(0)
    for frame in frames:
        time = frame.time
        if start is None or time < previous:
            start = wanted = time
        previous = time
        if time >= wanted:
            yield frame
            wanted = start + ((time - start) // step_s + 1) * step_s
