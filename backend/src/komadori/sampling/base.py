"""The port for choosing which frames of a video to keep, before anything is decoded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FrameCandidate:
    """A visible frame as the packet index knows it, in presentation order."""

    decode_index: int
    pts: int
    time_base: Fraction
    is_key: bool

    @property
    def time(self) -> Fraction:
        """The exact presentation time in seconds."""
        return self.pts * self.time_base


class Sampler(Protocol):
    """Chooses frames from a stream of candidates; samplers can be chained.

    ``select`` reads and yields lazily, keeps the order, and never yields a frame that
    it was not given. A sampler is a frozen dataclass of its parameters.
    """

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
