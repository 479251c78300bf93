"""Exact steps in time over a stream of frame candidates."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from komadori.core.types import FrameCandidate


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
