"""Only the keyframes: by far the cheapest to decode."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from komadori.core.types import FrameCandidate


@dataclass(frozen=True, slots=True)
class Keyframes:
    """Takes the frames that can be decoded alone; how many there are is the encoder's choice."""

    def select(self, frames: Iterable[FrameCandidate]) -> Iterator[FrameCandidate]:
        """Yield the frames to keep, in the order in which they came."""
        return (frame for frame in frames if frame.is_key)


def create() -> Keyframes:
    """A sampler that takes every keyframe."""
    return Keyframes()
