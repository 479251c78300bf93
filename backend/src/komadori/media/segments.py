"""Decides which packets must be decoded for the wanted frames, and in which portions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import JsonDict
from komadori.media.base import DecodeMode, VideoFacts
from komadori.media.packet_index import PacketIndex

# Processor seconds for a picture of two million pixels, measured on one x86 core of 2023 with
# H.264: to decode it, and to convert it and write the two JPEG files. Only the ratio matters much.
_DECODE_COST_S = 0.006
_WRITE_COST_S = 0.010
_REFERENCE_PIXELS = 1920 * 1080

_Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """A portion of the wanted frames that one child decodes by itself.

    Attributes:
        mode: How its packets are decoded.
        start_row: The first packet to feed, a keyframe, by its place in the whole index.
        stop_row: The packet after the last one to feed.
        targets: The wanted decode indices, ascending.
        cost_s: A rough estimate of the processor time.
    """

    mode: DecodeMode
    start_row: int
    stop_row: int
    targets: tuple[int, ...]
    cost_s: float

    def to_dict(self) -> JsonDict:
        """The segment as JSON can hold it."""
        return {
            "mode": self.mode,
            "start_row": self.start_row,
            "stop_row": self.stop_row,
            "targets": list(self.targets),
            "cost_s": self.cost_s,
        }

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> "Segment":
        """The segment that :meth:`to_dict` wrote."""
        fields: JsonDict = dict(data)
        return Segment(**{**fields, "targets": tuple(fields["targets"])})


def plan_segments(
    index: PacketIndex,
    targets: Sequence[int],
    *,
    facts: VideoFacts,
    max_cost_s: float = 8.0,
) -> list[Segment]:
    """Split the wanted frames into portions of about ``max_cost_s`` processor seconds.

    Portions end at keyframes, so no packet is decoded for two of them, but for the pictures
    of an open group that are shown before its keyframe: they need the group before as well.
    A single group of pictures is never split. Where times do not identify pictures
    (``index.is_ordinal``) the whole file is one portion, decoded in order from its beginning,
    because the only name of a picture is then how many came before it.

    Args:
        index: Of the whole video.
        targets: Wanted decode indices, ascending.
        facts: What probing found.
        max_cost_s: Below this much, as a rough estimate, a portion is not closed.

    Raises:
        KeyError: A target is not in the index.
    """
    if not targets:
        return []
    scale = facts.width * facts.height / _REFERENCE_PIXELS
    rows = index.rows_of(targets)
    if index.is_ordinal:
        stop = len(index)
        cost_s = scale * (stop * _DECODE_COST_S + len(targets) * _WRITE_COST_S)
        return [Segment("sequential", 0, stop, tuple(targets), cost_s)]
    needs = _needed_starts(index, rows, has_neighbours=is_interlaced(facts))
    portions: list[Segment] = []
    for group in _by_group(index, rows):
        start, stop = int(needs.starts[group].min()), int(needs.stops[group].max())
        cost_s = scale * ((stop - start) * _DECODE_COST_S + len(group) * _WRITE_COST_S)
        indices = sorted(index.decode_index[rows[group]].tolist())
        portions.append(Segment("gop", start, stop, tuple(indices), cost_s))
    return _merged(portions, max_cost_s)


def feed_rows(index: PacketIndex, wanted_rows: Sequence[int], *, extra_groups: int = 0) -> NDArray[np.bool_]:
    """(N,) bool: the packets to feed so that each wanted one can be decoded.

    Args:
        index: A window that begins with a keyframe.
        wanted_rows: Positions in the window.
        extra_groups: So many groups of pictures more before each, for streams whose
            keyframes turn out not to be clean starts.
    """
    feed = np.zeros(len(index), np.bool_)
    needs = _needed_starts(index, np.asarray(wanted_rows, np.int64), extra_groups=extra_groups)
    for start, stop in zip(needs.starts.tolist(), needs.stops.tolist(), strict=True):
        feed[start:stop] = True
    return feed


def with_neighbours(index: PacketIndex, decode_indices: Sequence[int]) -> list[int]:
    """The decode indices with the ones before and after each, as deinterlacing needs them."""
    known = set(index.decode_index.tolist())
    return sorted({d + step for d in decode_indices for step in (-1, 0, 1)} & known - {-1})


def is_interlaced(facts: VideoFacts) -> bool:
    """Whether the pictures must be deinterlaced."""
    return bool(facts.details.get("is_interlaced"))


@dataclass(frozen=True, slots=True)
class _Needs:
    starts: _Int64s
    stops: _Int64s


def _needed_starts(
    index: PacketIndex, rows: _Int64s, *, extra_groups: int = 0, has_neighbours: bool = False
) -> _Needs:
    """Where feeding must begin and may end for each wanted packet, as (T,) positions."""
    if has_neighbours:
        return _with_neighbour_needs(index, rows)
    keys = index.key_rows
    group = np.searchsorted(keys, rows, side="right") - 1
    is_leading = index.pts[rows] < index.pts[keys[group]]
    first = np.maximum(group - is_leading - extra_groups, 0)
    return _Needs(keys[first], rows + 1)


def _with_neighbour_needs(index: PacketIndex, rows: _Int64s) -> _Needs:
    order = index.rows_in_presentation_order()
    rank = index.decode_index[rows] - index.decode_index[order[0]]
    around = [order[np.clip(rank + step, 0, len(order) - 1)] for step in (-1, 0, 1)]
    needs = [_needed_starts(index, rows_at) for rows_at in around]
    return _Needs(
        np.minimum.reduce([n.starts for n in needs]),
        np.maximum.reduce([n.stops for n in needs]),
    )


def _by_group(index: PacketIndex, rows: _Int64s) -> list[_Int64s]:
    """The positions in ``rows``, put together by the group of pictures that they lie in."""
    group = np.searchsorted(index.key_rows, rows, side="right")
    by_row = np.lexsort((rows, group))
    return np.split(by_row, np.flatnonzero(np.diff(group[by_row])) + 1)


def _merged(groups: Sequence[Segment], max_cost_s: float) -> list[Segment]:
    merged: list[Segment] = []
    for group in groups:
        last = merged[-1] if merged else None
        if last is None or last.cost_s + group.cost_s > max_cost_s:
            merged.append(group)
            continue
        merged[-1] = Segment(
            "gop",
            min(last.start_row, group.start_row),
            max(last.stop_row, group.stop_row),
            tuple(sorted(last.targets + group.targets)),
            last.cost_s + group.cost_s,
        )
    return merged
