"""Takes the frames of a portion, and finds those over which the decoder ends.

A decoding child that crashes, has too little memory, or is killed, leaves the frames that it had
handed over. The rest is tried again in halves, so that only a frame that ends the decoder even alone
is skipped. A child whose time is up is not tried again: that would take as long once more.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from komadori.core.errors import DecoderKilledError, MediaError
from komadori.media.base import ExtractedFrame, SegmentReport

_ENDS = {"decoder-crash", "media-memory-limit", "media-time-limit", DecoderKilledError.default_code}

_MOST_ENDS = 32
"""After so many ended children in one portion the rest of it is given up."""

Decode = Callable[[Sequence[int], Callable[[ExtractedFrame], None]], SegmentReport]
"""Decodes frames, by decode index, in one child."""


@dataclass(slots=True)
class Portion:
    """What came of the frames of a portion.

    Attributes:
        frames: What children handed over, in the order in which it came.
        missing: Why others gave no picture, by decode index; the same would come of them again.
        given_up: Why others were given up because their children ended; another time they may do.
    """

    frames: list[ExtractedFrame] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)
    given_up: dict[int, str] = field(default_factory=dict)

    def take(self, decode: Decode, targets: Sequence[int], max_attempts: int) -> None:
        """Decode the targets; a frame alone whose child is killed is tried so many times.

        Raises:
            MediaError: Anything but the end of a child: the file has changed, or the like.
            DecoderKilledError: Too many children were killed: it is not this video's doing.
        """
        waiting, attempts = [list(targets)], Counter[int]()
        for n_ends in range(1, _MOST_ENDS + 1):
            ended = self._decode_until_one_ends(decode, waiting)
            if ended is None:
                return
            if n_ends == _MOST_ENDS and ended.error.is_retryable:
                raise ended.error
            if n_ends == _MOST_ENDS or ended.error.code == "media-time-limit":
                self._give_up([*ended.rest, *chain(*waiting)], ended.error)
                return
            if not ended.was_alone:
                waiting += _halves(ended.rest)
                continue
            attempts.update(ended.rest)
            if ended.error.is_retryable and attempts[ended.rest[0]] < max_attempts:
                waiting.append(ended.rest)
            else:
                self._give_up(ended.rest, ended.error)

    def _decode_until_one_ends(self, decode: Decode, waiting: list[list[int]]) -> "_Ended | None":
        """Decode what waits, the last first, until a child leaves something undone."""
        while waiting:
            part = waiting.pop()
            try:
                self.missing |= decode(part, self.frames.append).missing
            except MediaError as error:
                if error.code not in _ENDS:
                    raise
                taken = {frame.decode_index for frame in self.frames}
                rest = [target for target in part if target not in taken]
                if rest:
                    return _Ended(error, rest, was_alone=len(part) == 1)
        return None

    def _give_up(self, targets: Sequence[int], error: MediaError) -> None:
        self.given_up |= dict.fromkeys(targets, str(error))


@dataclass(frozen=True, slots=True)
class _Ended:
    """A child that ended, and what of its targets it has left."""

    error: MediaError
    rest: list[int]
    was_alone: bool


def _halves(targets: list[int]) -> list[list[int]]:
    """The second one first: it is the earlier one's turn next."""
    middle = (len(targets) + 1) // 2
    return [half for half in (targets[middle:], targets[:middle]) if half]
