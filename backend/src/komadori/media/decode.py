"""Decodes the wanted pictures of a segment, and feeds the decoder as few packets as possible.

Three savings, none of which changes a pixel: packets after the last wanted picture of a group
are not fed, groups without a wanted picture are not fed, and pictures that no other refers to
are skipped unless wanted. What comes out wrong or not at all is decoded once more without them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from komadori.media.packet_index import CORRUPT, NO_TIME, PacketIndex
from komadori.media.segments import feed_rows
from komadori.media.source import (
    changed_source,
    demux,
    last_log_line,
    n_logged_errors,
    open_source,
    prepare_decoder,
    stream_at,
)

# Bookkeeping of H.264 references at the start of an open group; no picture is affected.
_HARMLESS = "mmco: unref short failure"
_SEEK_BACK_S = (0, 10, 60)
_OVERRUN_S = 30


@dataclass(frozen=True, slots=True)
class Decoded:
    """A wanted picture, by its decode index."""

    decode_index: int
    frame: VideoFrame
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from: the file, its stream, and the packets of the segment."""

    path: Path
    stream_index: int
    window: PacketIndex
    max_pixels: int
    n_threads: int
    seek_over_bytes: int = 2 * 1024**2
    """Unneeded packets of more than this much together are not even read."""


@dataclass(slots=True)
class DecodeStats:
    """Counts over all passes."""

    n_errors: int = 0
    n_packets_fed: int = 0
    has_fallen_back: bool = False


@dataclass(slots=True)
class _Damage:
    """The groups of pictures in which the decoder complained, each with the first such packet."""

    key_rows: NDArray[np.int64]
    first_bad_row: dict[int, int] = field(default_factory=dict)

    def add(self, row: int) -> None:
        group = self._group(row)
        self.first_bad_row[group] = min(row, self.first_bad_row.get(group, row))

    def reaches(self, row: int, pts: Sequence[int]) -> bool:
        """Whether the packet at ``row`` may refer to damaged pictures."""
        group = self._group(row)
        if row >= self.first_bad_row.get(group, row + 1):
            return True
        is_leading = group > 0 and pts[row] < pts[int(self.key_rows[group])]
        return is_leading and group - 1 in self.first_bad_row

    def _group(self, row: int) -> int:
        return int(np.searchsorted(self.key_rows, row, side="right")) - 1


def decode_wanted(source: Source, wanted: Sequence[int], stats: DecodeStats) -> Iterator[Decoded]:
    """Yield the wanted pictures, in presentation order but for those that need a second pass.

    Args:
        source: The file and a window of its index.
        wanted: Decode indices in the window.
        stats: Is counted up.
    """
    if source.window.is_ordinal:
        yield from _decode_in_order(source, wanted, stats)
        return
    remaining = set(wanted)
    for decoded in _decode_groups(source, wanted, stats, is_thorough=False):
        if not decoded.is_suspect:
            remaining.discard(decoded.decode_index)
            yield decoded
    if remaining:
        stats.has_fallen_back = True
        yield from _decode_groups(source, sorted(remaining), stats, is_thorough=True)


def decode_through(source: Source, wanted: Sequence[int], stats: DecodeStats) -> Iterator[Decoded]:
    """Yield wanted pictures in presentation order in one pass over the window, damaged ones too.

    What cannot be decoded is left out.
    """
    window = source.window
    if window.is_ordinal:
        yield from _decode_in_order(source, wanted, stats)
        return
    is_wanted = np.zeros(len(window), np.bool_)
    is_wanted[window.rows_of(wanted)] = True
    row_of = {pts: row for row, pts in enumerate(window.pts.tolist()) if window.decode_index[row] >= 0}
    decoder, last = _Decoder(source, stats), -1
    for decoded in decoder.pick(_everything(decoder, len(window)), row_of, is_wanted):
        if decoded.decode_index > last:
            last = decoded.decode_index
            yield decoded
    decoder.close()


def _decode_groups(
    source: Source, wanted: Sequence[int], stats: DecodeStats, *, is_thorough: bool
) -> Iterator[Decoded]:
    """One pass over the groups that hold wanted pictures; with ``is_thorough`` nothing in them is skipped."""
    window = source.window
    wanted_rows = window.rows_of(wanted)
    is_wanted = np.zeros(len(window), np.bool_)
    is_wanted[wanted_rows] = True
    feed = feed_rows(window, wanted_rows.tolist(), extra_groups=int(is_thorough))
    row_of = {pts: row for row, pts in enumerate(window.pts.tolist()) if window.decode_index[row] >= 0}
    decoder = _Decoder(source, stats)
    for stretch in decoder.stretches(feed):
        previous = int(stretch[0]) - 1
        for row, packet in decoder.packets(stretch):
            frames = [] if row == previous + 1 else decoder.drain()
            previous = row
            decoder.skip_unreferenced(not (is_thorough or is_wanted[row]))
            frames += decoder.feed(row, packet)
            yield from decoder.pick(frames, row_of, is_wanted)
        yield from decoder.pick(decoder.drain(), row_of, is_wanted)
    decoder.close()


def _decode_in_order(source: Source, wanted: Sequence[int], stats: DecodeStats) -> Iterator[Decoded]:
    """Decode everything; the k-th picture that comes out has decode index k.

    Once a packet was refused the count may be off, so all later pictures are suspect.
    """
    targets, last = set(wanted), max(wanted)
    stats.has_fallen_back = True
    decoder = _Decoder(source, stats)
    for count, frame in enumerate(_everything(decoder, len(source.window))):
        if count in targets:
            yield Decoded(count, frame, decoder.may_be_damaged(frame))
        if count >= last:
            break
    decoder.close()


def _everything(decoder: "_Decoder", n_packets: int) -> Iterator[VideoFrame]:
    for row, packet in decoder.packets(np.arange(n_packets)):
        yield from decoder.feed(row, packet)
    yield from decoder.drain()


class _Decoder:
    """One open file with its decoder, over a window of packets."""

    def __init__(self, source: Source, stats: DecodeStats) -> None:
        self._source = source
        self._window = source.window
        self._stats = stats
        self._pts: list[int] = source.window.pts.tolist()
        self._sizes: list[int] = source.window.sizes.tolist()
        self._row_of = {key: row for row, key in enumerate(zip(self._pts, self._sizes, strict=True))}
        self._end = max(self._pts) + int(_OVERRUN_S / source.window.time_base)
        self._damage = _Damage(source.window.key_rows)
        self._n_logged = n_logged_errors()
        self._has_lost_pictures = False
        self._has_read = False
        self._open()

    def stretches(self, feed: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """The positions of the packets to feed, parted where it is better to seek than to read on."""
        rows = np.flatnonzero(feed)
        read = np.cumsum(self._window.sizes, dtype=np.int64)
        unneeded = read[rows[1:] - 1] - read[rows[:-1]]
        return np.split(rows, np.flatnonzero(unneeded > self._source.seek_over_bytes) + 1)

    def packets(self, stretch: NDArray[np.int64]) -> "Iterator[tuple[int, Packet[VideoStream]]]":
        """The packets at these positions, from wherever reading has to start; the decoder must be drained."""
        wanted, first, last = frozenset(stretch.tolist()), int(stretch[0]), int(stretch[-1])
        for row, packet in self._numbered(first):
            if row in wanted:
                yield row, packet
            if row >= last:
                return

    def feed(self, row: int, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """Decode one packet; errors are counted and the pictures that they may reach are remembered."""
        self._stats.n_packets_fed += 1
        packet.opaque = row
        is_damaged = bool(self._window.flags[row] & CORRUPT)
        try:
            frames: list[VideoFrame] = list(self._context.decode(packet))
        except (av.FFmpegError, MemoryError):
            frames, is_damaged, self._has_lost_pictures = [], True, True
        n_logged = n_logged_errors()
        is_complaining = n_logged != self._n_logged and not last_log_line().startswith(_HARMLESS)
        if is_damaged or is_complaining:
            self._stats.n_errors += 1
            # Errors of a decoder with several threads come up to one packet for each of them late.
            self._damage.add(max(0, row - self._source.n_threads + 1))
        self._n_logged = n_logged
        return frames

    def drain(self) -> list[VideoFrame]:
        """The pictures that the decoder still holds; afterwards it is as new."""
        frames: list[VideoFrame] = []
        try:
            frames = list(self._context.decode(None))
        except (av.FFmpegError, MemoryError):
            self._stats.n_errors += 1
        self._context.flush_buffers()
        return frames

    def skip_unreferenced(self, is_on: bool) -> None:
        """Leave out the next picture if no other refers to it."""
        self._context.skip_frame = "NONREF" if is_on else "DEFAULT"

    def pick(
        self,
        frames: Iterable[VideoFrame],
        row_of: dict[int, int],
        is_wanted: NDArray[np.bool_],
    ) -> Iterator[Decoded]:
        """The wanted ones among decoded pictures."""
        for frame in frames:
            row = -1 if frame.pts is None else row_of.get(frame.pts, -1)
            if row >= 0 and is_wanted[row]:
                is_suspect = frame.is_corrupt or self._damage.reaches(row, self._pts)
                yield Decoded(int(self._window.decode_index[row]), frame, is_suspect)

    def may_be_damaged(self, frame: VideoFrame) -> bool:
        """Whether a picture, found by counting, refers to damaged ones or may have been miscounted."""
        row = frame.opaque
        is_reached = isinstance(row, int) and self._damage.reaches(row, self._pts)
        return self._has_lost_pictures or frame.is_corrupt or is_reached

    def close(self) -> None:
        """Give the file back."""
        self._container.close()

    def _open(self) -> None:
        source = self._source
        self._container: InputContainer = open_source(source.path, max_pixels=source.max_pixels)
        self._stream: VideoStream = stream_at(self._container, source.stream_index, source.path)
        prepare_decoder(self._stream, source.path, max_pixels=source.max_pixels, n_threads=source.n_threads)
        self._context = self._stream.codec_context

    def _numbered(self, first: int) -> "Iterator[tuple[int, Packet[VideoStream]]]":
        """The packets of the window with their positions, from ``first`` or earlier."""
        if self._window.first_row == 0 and not self._has_read:
            self._has_read = True
            yield from self._counted()
            return
        for back_s in (*_SEEK_BACK_S, None):
            is_found = False
            for row, packet in self._matched(first, back_s):
                if not is_found and row > first:
                    break  # The demuxer landed too late: go back further.
                is_found = True
                yield row, packet
            if is_found:
                return

    def _counted(self) -> "Iterator[tuple[int, Packet[VideoStream]]]":
        for row, packet in enumerate(demux(self._container, self._stream)):
            if row >= len(self._window):
                return
            if packet.size != self._sizes[row]:
                raise changed_source(self._source.path)
            yield row, self._timed(row, packet)

    def _matched(self, first: int, back_s: int | None) -> "Iterator[tuple[int, Packet[VideoStream]]]":
        """Packets after seeking to ``back_s`` before the one at ``first``, or from the beginning if None.

        The first one is recognised by its time and size, the others are counted from there:
        the times of the first packets after a seek are guesses in some containers.
        """
        if back_s is None:
            self._container.close()
            self._open()
        else:
            self._seek(first, int(back_s / self._window.time_base))
        row = -1
        for packet in demux(self._container, self._stream):
            if row >= 0:
                row += 1
            elif packet.pts is not None:
                row = self._row_of.get((packet.pts, packet.size), -1)
            if row >= len(self._sizes) or (packet.dts is not None and packet.dts > self._end):
                return
            if row >= 0:
                if packet.size != self._sizes[row]:
                    return  # Damage made the demuxer cut packets differently: what follows is missing.
                yield row, self._timed(row, packet)

    def _seek(self, first: int, margin: int) -> None:
        pts, dts = self._pts[first], int(self._window.dts[first])
        time = pts if dts == NO_TIME else min(pts, dts)
        self._container.seek(time - margin, stream=self._stream, backward=True)

    def _timed(self, row: int, packet: "Packet[VideoStream]") -> "Packet[VideoStream]":
        """The packet with the time that it has in the index."""
        if not self._window.is_ordinal:
            packet.pts = self._pts[row]
        return packet
