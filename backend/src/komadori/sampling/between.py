"""A part of the video, to be chained before another sampler."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from komadori.core.errors import InputError
from komadori.core.types import FrameCandidate
from komadori.sampling._times import exact


@dataclass(frozen=True, slots=True)
class Between:
    """Takes the frames from ``from_s`` (included) to ``to_s`` (excluded), counted from the first frame."""

    from_s: Fraction
    to_s: Fraction | None

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
        start: Fraction | None = None
        for frame in frames:
            start = frame.time if start is None else start
            time = frame.time - start
            if time >= self.from_s and (self.to_s is None or time < self.to_s):
                yield frame


def create(from_s: float | str = 0, to_s: float | str | None = None) -> Between:
    """A sampler that keeps a stretch of time.

    Raises:
        InputError: The stretch is empty or begins before the video.
    """
    try:
        start, stop = exact(from_s), None if to_s is None else exact(to_s)
    except ValueError as exc:
        raise _empty(from_s, to_s) from exc
    if start < 0 or (stop is not None and stop <= start):
        raise _empty(from_s, to_s)
    return Between(start, stop)


def _empty(from_s: object, to_s: object) -> InputError:
    return InputError(
        f"The sampler 'between' expects 0 <= from_s < to_s in seconds, got {from_s!r} and {to_s!r}.",
        hint="Give the beginning and the end of the stretch in seconds from the first frame.",
        code="invalid-sampling",
    )
