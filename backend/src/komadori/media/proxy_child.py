"""The child behind :mod:`komadori.media.proxy`: encodes parts, joins them, or copies packets."""

import base64
import errno
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.error import EOFError as EndOfStream
from av.filter import Graph
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from komadori.core.errors import MediaError, StorageError
from komadori.core.types import JsonDict
from komadori.media.colour import (
    BT470BG,
    BT709,
    BT2020_NCL,
    FULL_RANGE,
    LIMITED_RANGE,
    SMPTE170M,
    Colour,
    colour_of,
)
from komadori.media.confinement import send, serve
from komadori.media.decode import DecodeStats, Source, decode_through
from komadori.media.orientation import Orientation
from komadori.media.packet_index import PacketIndex
from komadori.media.proxy import MISMATCH, proxy_pts
from komadori.media.source import changed_source, demux, open_source, select_stream, stream_at
from komadori.media.tone_map import tone_map

_ENCODER: Final = "libvpx-vp9"  # under the BSD licence
_KEYFRAME_EVERY = 48
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "lag-in-frames": "0",  # each picture comes out before the next goes in
    "crf": "34",
    "g": str(_KEYFRAME_EVERY),
    "threads": "1",
}
_KEPT_MATRICES = (BT709, BT470BG, SMPTE170M, BT2020_NCL)
"""Those that a VP9 stream can name; pictures with others go by way of RGB."""

_Shown = tuple[int, VideoFrame]
"""A decode index and its picture."""


def work(request: JsonDict) -> JsonDict:
    """Do what ``request["work"]`` says."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    av.logging.set_level(av.logging.ERROR)
    return {"encode": encode, "join": join, "copy": copy}[request["work"]](request)


def encode(request: JsonDict) -> JsonDict:
    """Encode the frames from ``request["first"]`` on, one for each of ``request["pts"]``."""
    window, first, pts = _index(request), int(request["first"]), request["pts"]
    source = Source(
        Path(request["path"]), int(request["stream_index"]), window, int(request["max_pixels"]), n_threads=1
    )
    decoded = decode_through(source, range(first, first + len(pts)), DecodeStats())
    shown: Iterable[_Shown] = ((picture.decode_index, picture.frame) for picture in decoded)
    if request["is_interlaced"]:
        shown = _deinterlaced(shown)
    size = (int(request["size"][0]), int(request["size"][1]))
    shaper = _Shaper(size, Orientation(int(request["rotation"]), is_mirrored=bool(request["is_mirrored"])))
    n_repeated = 0
    with _output(request) as container:
        encoder: _Encoder | None = None
        for place, (frame, is_repeated) in enumerate(_without_gaps(shown, shaper, first, len(pts))):
            encoder = encoder or _Encoder(container, size, Fraction(request["time_base"]), shaper.colour)
            encoder.write(frame, pts[place] - pts[0])
            n_repeated += is_repeated
            if place % _KEYFRAME_EVERY == _KEYFRAME_EVERY - 1:
                send({"kind": "progress", "n_frames": _KEYFRAME_EVERY})
        if encoder is not None:
            encoder.finish()
    return {"n_repeated": n_repeated}


def join(request: JsonDict) -> JsonDict:
    """Join the files ``request["paths"]``, whose frames follow each other."""
    pts, paths = proxy_pts(_index(request)).tolist(), [Path(path) for path in request["paths"]]
    durations, max_pixels, place = _durations(pts), int(request["max_pixels"]), 0
    with _output(request) as container:
        stream: VideoStream | None = None
        for path in paths:
            with open_source(path, max_pixels=max_pixels) as part:
                source = select_stream(part, path)
                stream = stream or _copied_stream(container, source, request)
                for packet in demux(part, source):
                    if place < len(pts):
                        _mux(container, stream, packet, (pts[place], pts[place], durations[place]))
                    place += 1
    _check_frames(request, pts)
    return {}


def copy(request: JsonDict) -> JsonDict:
    """Copy the packets of the source, with times that begin at 0."""
    index, path = _index(request), Path(request["path"])
    pts = proxy_pts(index)
    frame_of = index.decode_index  # every packet is shown, see can_be_copied
    shown_at, durations = pts[frame_of], np.array(_durations(pts.tolist()))[frame_of]
    # Packets are decoded in the order of the file: each no later than it is shown, and all evenly.
    early = int(np.max(pts - shown_at))
    with open_source(path, max_pixels=int(request["max_pixels"])) as container, _output(request) as target:
        source = stream_at(container, int(request["stream_index"]), path)
        stream = _copied_stream(target, source, request)
        for row, packet in enumerate(demux(container, source)):
            if row >= len(index) or packet.size != index.sizes[row]:
                raise changed_source(path)
            when = int(shown_at[row]), int(pts[row]) - early, int(durations[row])
            _mux(target, stream, packet, when)
    _check_frames(request, pts.tolist())
    return {}


class _Shaper:
    """Makes upright pictures of one size, in the colours of the first one."""

    def __init__(self, size: tuple[int, int], orientation: Orientation) -> None:
        self._orientation = orientation
        self._size = size[::-1] if orientation.swaps_sides else size
        self._plain, self._first_step = VideoReformatter(), VideoReformatter()
        self._colour: Colour | None = None

    @property
    def colour(self) -> int:
        """The matrix of the pictures, which are of limited range."""
        colour = self._colour
        return colour.matrix if colour is not None and self._is_kept(colour) else BT709

    def shape(self, frame: VideoFrame) -> VideoFrame:
        """The picture as the encoder takes it."""
        self._colour = self._colour or colour_of(frame)
        is_plain = not frame.format.is_rgb and self._is_kept(self._colour)
        shaped = self._scaled(frame, self._colour) if is_plain else self._by_way_of_rgb(frame, self._colour)
        return self._upright(shaped)

    def blank(self) -> VideoFrame:
        """A grey picture, for the beginning of a stretch of which nothing can be decoded."""
        width, height = self._size
        return self._upright(_from_planes(np.full((height * 3 // 2, width), 128, np.uint8)))

    def _is_kept(self, colour: Colour) -> bool:
        return colour.matrix in _KEPT_MATRICES and not colour.is_hdr

    def _scaled(self, frame: VideoFrame, colour: Colour) -> VideoFrame:
        return self._plain.reformat(
            frame,
            *self._size,
            "yuv420p",
            src_colorspace=colour.matrix,
            dst_colorspace=colour.matrix,
            src_color_range=colour.range,
            dst_color_range=LIMITED_RANGE,
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )

    def _by_way_of_rgb(self, frame: VideoFrame, colour: Colour) -> VideoFrame:
        rgb = self._first_step.reformat(
            frame,
            *self._size,
            "rgb48le" if colour.is_hdr else "rgb24",
            src_colorspace=None if frame.format.is_rgb else colour.matrix,
            src_color_range=None if frame.format.is_rgb else colour.range,
            dst_color_range=FULL_RANGE,
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        if colour.is_hdr:
            mapped = tone_map(np.asarray(rgb.to_ndarray(), np.uint16), colour.transfer)
            rgb = VideoFrame.from_ndarray(mapped, format="rgb24")
        return self._plain.reformat(
            rgb, format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED_RANGE, threads=1
        )

    def _upright(self, frame: VideoFrame) -> VideoFrame:
        if not (self._orientation.rotation or self._orientation.is_mirrored):
            return frame
        width, height = self._size
        packed = np.asarray(frame.to_ndarray(), np.uint8)
        planes = packed[:height], *packed[height:].reshape(2, height // 2, width // 2)
        turned = [self._orientation.apply(plane) for plane in planes]
        width = turned[0].shape[1]
        return _from_planes(np.concatenate([plane.reshape(-1, width) for plane in turned]))


class _Encoder:
    """Writes pictures into an MP4 file as VP9."""

    def __init__(
        self, container: OutputContainer, size: tuple[int, int], time_base: Fraction, matrix: int
    ) -> None:
        self._container = container
        stream = container.add_stream(_ENCODER, options=_OPTIONS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        self._time_base = stream.time_base = time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.bit_rate = 0  # the quality alone decides
        context.colorspace, context.color_range = matrix, LIMITED_RANGE
        self._stream = stream

    def write(self, frame: VideoFrame, pts: int) -> None:
        """Encode a picture that is shown then."""
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode())


def _without_gaps(
    shown: Iterable[_Shown], shaper: _Shaper, first: int, n_frames: int
) -> Iterator[tuple[VideoFrame, bool]]:
    """A picture for each frame, and whether it is that of the one before, for want of its own."""
    before: VideoFrame | None = None
    expected = first
    for decode_index, frame in shown:
        shaped = shaper.shape(frame)
        for _ in range(expected, decode_index):
            yield before or shaped, True
        yield shaped, False
        before, expected = shaped, decode_index + 1
    for _ in range(expected, first + n_frames):
        yield before or shaper.blank(), True


def _deinterlaced(shown: Iterable[_Shown]) -> Iterator[_Shown]:
    """Whole pictures of interlaced ones; one comes out for each that goes in, a little later."""
    graph: Graph | None = None
    size: tuple[int, int, str] | None = None
    waiting: deque[int] = deque()
    for decode_index, frame in shown:
        if graph is None or size != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _drained(graph, waiting)
            graph, size = _deinterlacer(frame), (frame.width, frame.height, frame.format.name)
        frame.pts, frame.time_base = decode_index, Fraction(1, 25)
        waiting.append(decode_index)
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if graph is not None:
        yield from _drained(graph, waiting)


def _deinterlacer(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _drained(graph: Graph, waiting: deque[int]) -> Iterator[_Shown]:
    graph.push(None)
    yield from _pulled(graph, waiting)
    waiting.clear()


def _pulled(graph: Graph, waiting: deque[int]) -> Iterator[_Shown]:
    while waiting:
        try:
            frame = graph.vpull()
        except (EndOfStream, av.BlockingIOError):
            return
        yield waiting.popleft(), frame


def _from_planes(packed: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> VideoFrame:
    return VideoFrame.from_ndarray(np.ascontiguousarray(packed), format="yuv420p")


@contextmanager
def _output(request: JsonDict) -> Iterator[OutputContainer]:
    """The new MP4 file; what the disk does not take is an error of the storage."""
    units = Fraction(request["time_base"]).denominator
    options = {"video_track_timescale": str(units), "fflags": "+bitexact"}
    try:
        with av.open(request["out"], "w", format="mp4", options=options) as container:
            yield container
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES):
            raise
        raise StorageError(
            f"Expected to write a proxy to {request['out']}, got: {exc}.",
            hint="Free some space, then retry the job.",
        ) from exc


def _copied_stream(container: OutputContainer, source: VideoStream, request: JsonDict) -> VideoStream:
    stream = container.add_stream_from_template(source, opaque=True)
    stream.time_base = Fraction(request["time_base"])
    return stream


def _mux(
    container: OutputContainer, stream: VideoStream, packet: "Packet[VideoStream]", when: tuple[int, int, int]
) -> None:
    """Write a packet with its pts, dts and duration."""
    assert stream.time_base is not None
    packet.stream, packet.time_base = stream, stream.time_base
    packet.pts, packet.dts, packet.duration = when
    container.mux_one(packet)


def _durations(pts: Sequence[int]) -> list[int]:
    """How long each frame is shown; the last one as long as is usual, for players hide what lasts no time."""
    steps = np.diff(pts).tolist()
    return [*steps, max(1, int(np.median(steps))) if steps else 1]


def _check_frames(request: JsonDict, expected: Sequence[int]) -> None:
    """Make sure that the file that was written has each frame once, at its time."""
    path = Path(request["out"])
    with open_source(path, max_pixels=int(request["max_pixels"])) as container:
        stream = select_stream(container, path)
        shown = [p.pts for p in demux(container, stream) if not p.is_discard and p.pts is not None]
        unit = (stream.time_base or Fraction()) / Fraction(request["time_base"])
    found = [pts * unit for pts in sorted(shown)]
    if found == list(expected):
        return
    place = next((k for k, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
    raise MediaError(
        f"Expected a proxy of {len(expected)} frames, each at its time, got {len(found)}; "
        f"frame {place} is the first that differs.",
        hint="Report this: it is a defect. The video itself is untouched.",
        code=MISMATCH,
    )


def _index(request: JsonDict) -> PacketIndex:
    return PacketIndex.from_bytes(base64.b64decode(request["index"]))


if __name__ == "__main__":
    serve(work)
