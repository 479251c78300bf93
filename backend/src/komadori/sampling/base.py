"""The port for choosing which frames of a video to keep, before anything is decoded."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from komadori.core.types import FrameCandidate

__all__ = ["FrameCandidate", "Sampler"]


class Sampler(Protocol):
    """Chooses frames from a stream of candidates; samplers can be chained.

    ``select`` reads and yields lazily, keeps the order, and never yields a frame that
    it was not given. A sampler is a frozen dataclass of its parameters.
    """

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
