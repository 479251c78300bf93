"""The packets of a video stream as arrays: what there is to decode, before anything is decoded."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import StorageError
from komadori.core.types import FrameCandidate
from komadori.media.base import format_fraction

NO_TIME = np.iinfo(np.int64).min
"""Stands for a timestamp that the container does not give."""

KEY, DISCARD, CORRUPT = 1, 2, 4
"""Flags of a packet: can be decoded alone; is decoded but not shown; the demuxer found it damaged."""

PacketRecord = tuple[int | None, int | None, int, int]
"""(pts, dts, flags, size in bytes) of a packet, None for an unknown time."""

_MAGIC = b"KPIX1"
_Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PacketIndex:
    """The packets of one video stream in decode order; N packets.

    Attributes:
        time_base: The unit of ``pts`` and ``dts`` in seconds.
        is_ordinal: Presentation times do not identify pictures (they are missing, repeated,
            or made up by a container that stores none), so the k-th picture that comes out
            of the decoder is the one with decode index k.
        first_row: The place of the first packet here among all packets of the stream.
        pts: (N,) int64 presentation times.
        dts: (N,) int64 decoding times, ``NO_TIME`` where unknown.
        flags: (N,) uint8, see ``KEY``, ``DISCARD`` and ``CORRUPT``.
        sizes: (N,) uint32 bytes; they tell packets apart where a demuxer that has just sought
            is not yet sure of their times.
        decode_index: (N,) int64 rank among the visible pictures in presentation order, -1 if not shown.
    """

    time_base: Fraction
    is_ordinal: bool
    first_row: int
    pts: _Int64s
    dts: _Int64s
    flags: NDArray[np.uint8]
    sizes: NDArray[np.uint32]
    decode_index: _Int64s

    def __post_init__(self) -> None:
        n = len(self.pts)
        for name in ("pts", "dts", "flags", "sizes", "decode_index"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"expected {name} ({n},), got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return int(self.pts.shape[0])

    @property
    def n_frames(self) -> int:
        """How many pictures a player would show."""
        return int(np.count_nonzero(self.decode_index >= 0))

    @property
    def key_rows(self) -> _Int64s:
        """The positions of the keyframe packets, ascending; the first packet always counts as one."""
        rows = np.flatnonzero(self.flags & KEY)
        return rows if len(rows) and rows[0] == 0 else np.concatenate([[0], rows]).astype(np.int64)

    def rows_in_presentation_order(self) -> _Int64s:
        """(F,) int64 position of the packet of each visible picture, by decode index."""
        visible = np.flatnonzero(self.decode_index >= 0)
        return visible[np.argsort(self.decode_index[visible], kind="stable")]

    def candidates(self) -> Iterator[FrameCandidate]:
        """The visible pictures in presentation order, as samplers take them."""
        for row in self.rows_in_presentation_order().tolist():
            yield FrameCandidate(
                decode_index=int(self.decode_index[row]),
                pts=int(self.pts[row]),
                time_base=self.time_base,
                is_key=bool(self.flags[row] & KEY),
            )

    def rows_of(self, decode_indices: Sequence[int]) -> _Int64s:
        """(T,) int64 positions of the packets of these pictures.

        Raises:
            KeyError: A picture is not among these packets.
        """
        order = self.rows_in_presentation_order()
        ranks = self.decode_index[order]
        wanted = np.asarray(decode_indices, np.int64)
        found = np.searchsorted(ranks, wanted)
        if len(wanted) and (found.max(initial=-1) >= len(ranks) or not np.array_equal(ranks[found], wanted)):
            absent = sorted(set(wanted.tolist()) - set(ranks.tolist()))
            raise KeyError(f"no such decode index: {absent[:5]}")
        return order[found]

    def window(self, start: int, stop: int) -> "PacketIndex":
        """The packets from position ``start`` up to ``stop``, with their decode indices of the whole."""
        part = slice(start, stop)
        return PacketIndex(
            self.time_base,
            self.is_ordinal,
            self.first_row + start,
            self.pts[part],
            self.dts[part],
            self.flags[part],
            self.sizes[part],
            self.decode_index[part],
        )

    def to_bytes(self) -> bytes:
        """A compact form, two or three bytes for each packet."""
        header = {
            "time_base": format_fraction(self.time_base),
            "is_ordinal": self.is_ordinal,
            "first_row": self.first_row,
            "n": len(self),
        }
        columns = [np.diff(c, prepend=np.int64(0)) for c in (self.pts, self.dts, self.decode_index)]
        times = b"".join(c.astype("<i8").tobytes() for c in columns)
        body = times + self.sizes.astype("<u4").tobytes() + self.flags.tobytes()
        return b"\n".join([_MAGIC, json.dumps(header).encode(), zlib.compress(body, 6)])

    @staticmethod
    def from_bytes(data: bytes) -> "PacketIndex":
        """The index that :meth:`to_bytes` wrote.

        Raises:
            StorageError: The bytes are something else, or damaged.
        """
        try:
            header_json, packed = data.removeprefix(_MAGIC + b"\n").split(b"\n", 1)
            header, body = json.loads(header_json), zlib.decompress(packed)
            n = int(header["n"])
            deltas = np.frombuffer(body, "<i8", count=3 * n).reshape(3, n)
            sizes = np.frombuffer(body, "<u4", count=n, offset=24 * n)
            flags = np.frombuffer(body, np.uint8, count=n, offset=28 * n)
        except (ValueError, KeyError, zlib.error) as exc:
            raise StorageError(
                "Expected a packet index, got other or damaged bytes.",
                hint="Add the video again to index it anew.",
                code="damaged-packet-index",
            ) from exc
        pts, dts, decode_index = (np.cumsum(row, dtype=np.int64) for row in deltas)
        return PacketIndex(
            Fraction(header["time_base"]),
            bool(header["is_ordinal"]),
            int(header["first_row"]),
            pts,
            dts,
            flags,
            sizes.astype(np.uint32),
            decode_index,
        )


def build_index(
    packets: Sequence[PacketRecord],
    time_base: Fraction,
    frame_duration: Fraction,
    *,
    are_times_reliable: bool,
) -> PacketIndex:
    """Put packets in presentation order.

    Args:
        packets: In decode order.
        time_base: The unit of the times in seconds.
        frame_duration: Seconds from one picture to the next, used where no times are given at all.
        are_times_reliable: False for a container that stores no presentation times although
            pictures are reordered; the times are then handed out in order.
    """
    pts = np.array([NO_TIME if p is None else p for p, _, _, _ in packets], np.int64)
    dts = np.array([NO_TIME if d is None else d for _, d, _, _ in packets], np.int64)
    flags = np.array([f for _, _, f, _ in packets], np.uint8)
    sizes = np.array([s for _, _, _, s in packets], np.uint32)
    visible = np.flatnonzero((flags & DISCARD) == 0)
    shown = pts[visible]
    is_timed = not np.any(shown == NO_TIME)
    is_ordinal = not (is_timed and are_times_reliable and len(np.unique(shown)) == len(shown))
    if not is_timed:
        pts = _even_times(len(pts), frame_duration / time_base)
    epochs = _epochs(dts)[visible]
    order = np.lexsort((pts[visible], epochs))
    decode_index = np.full(len(pts), -1, np.int64)
    decode_index[visible[order]] = np.arange(len(visible))
    return PacketIndex(time_base, is_ordinal, 0, pts, dts, flags, sizes, decode_index)


def _even_times(n: int, ticks: Fraction) -> _Int64s:
    return np.array([round(k * ticks) for k in range(n)], np.int64)


def _epochs(dts: _Int64s) -> _Int64s:
    """(N,) int64 number of the recording that each packet belongs to, where several were joined end to end.

    Decoding time runs forward within one recording, so a step back begins the next one.
    """
    known = np.where(dts == NO_TIME, NO_TIME, dts)
    filled = np.maximum.accumulate(np.where(known == NO_TIME, -1, np.arange(len(dts))))
    carried = np.where(filled >= 0, dts[np.maximum(filled, 0)], NO_TIME)
    steps_back = np.concatenate([[False], carried[1:] < carried[:-1]]) if len(dts) else np.zeros(0, bool)
    return np.cumsum(steps_back, dtype=np.int64)
