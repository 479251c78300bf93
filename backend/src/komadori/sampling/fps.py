"""So many frames a second."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from komadori.core.errors import InputError
from komadori.core.types import FrameCandidate
from komadori.sampling._times import exact_positive, first_at_each_step


@dataclass(frozen=True, slots=True)
class Fps:
    """Takes at most ``rate`` frames a second, on an exact grid; existing frames only, none repeated."""

    rate: Fraction

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
        return first_at_each_step(frames, 1 / self.rate)


def create(rate: float | str | Fraction = 1) -> Fps:
    """A sampler that takes ``rate`` frames a second; ``30000/1001`` and 29.97 are both understood.

    Raises:
        InputError: ``rate`` is no positive number.
    """
    try:
        return Fps(exact_positive(rate))
    except ValueError as exc:
        raise InputError(
            f"The sampler 'fps' expects a positive number of frames a second, got {rate!r}.",
            hint="Use for example --fps 2, or --every 5 for less than one frame a second.",
            code="invalid-sampling",
        ) from exc
