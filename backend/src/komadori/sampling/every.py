"""One frame every so many seconds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from komadori.core.errors import InputError
from komadori.core.types import FrameCandidate
from komadori.sampling._times import exact_positive, first_at_each_step


@dataclass(frozen=True, slots=True)
class Every:
    """Takes the first frame at or after each multiple of ``step_s``, counted from the first frame."""

    step_s: Fraction

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
        return first_at_each_step(frames, self.step_s)


def create(seconds: float | str | Fraction = 1) -> Every:
    """A sampler that takes a frame every ``seconds``; decimals are taken as written (0.1 is 1/10).

    Raises:
        InputError: ``seconds`` is no positive number.
    """
    try:
        return Every(exact_positive(seconds))
    except ValueError as exc:
        raise InputError(
            f"The sampler 'every' expects a positive number of seconds, got {seconds!r}.",
            hint="Use for example --every 1, or --every 0.5 for two frames a second.",
            code="invalid-sampling",
        ) from exc
