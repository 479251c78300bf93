"""Every visible frame."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from komadori.core.types import FrameCandidate


@dataclass(frozen=True, slots=True)
class AllFrames:
    """Takes each frame that a player would show."""

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
        return iter(frames)


def create() -> AllFrames:
    """A sampler that takes everything."""
    return AllFrames()
