"""The child behind :func:`komadori.media.probe.probe_video`: reads every packet, decodes a few."""

import base64
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from komadori.core.errors import MediaError
from komadori.core.types import JsonDict
from komadori.media.base import VideoFacts, format_fraction
from komadori.media.colour import HLG, colour_of
from komadori.media.confinement import serve
from komadori.media.orientation import orientation_from_matrix
from komadori.media.packet_index import CORRUPT, DISCARD, KEY, PacketIndex, PacketRecord, build_index
from komadori.media.picture import decoder_facts, square_pixel_size
from komadori.media.source import demux, last_log_line, open_source, prepare_decoder, select_stream

_N_SAMPLE_FRAMES = 3
_MAX_SAMPLE_PACKETS = 300
_NOT_ENCODED_RATE = Fraction(25)
# Containers that store no presentation times: with reordered pictures, what FFmpeg reports is made up.
_UNTIMED_CONTAINERS = ("avi",)
_PROGRESSIVE = 1
# With a limit on pixels, FFmpeg forgets the size of a larger picture and says it in its log only.
_REFUSED_SIZE = re.compile(r"Picture size (\d+)x(\d+) exceeds")


@dataclass(slots=True)
class _Pass:
    """What one pass over the packets gathers."""

    packets: list[PacketRecord] = field(default_factory=list)
    samples: list[VideoFrame] = field(default_factory=list)
    last_shown: tuple[int, int] | None = None
    """(pts, duration) of the packet that is shown last."""

    def note_duration(self, packet: "Packet[VideoStream]") -> None:
        """Remember the packet if it is shown after all others so far."""
        if packet.pts is not None and (self.last_shown is None or packet.pts > self.last_shown[0]):
            self.last_shown = (packet.pts, packet.duration or 0)


def probe(request: JsonDict) -> JsonDict:
    """Probe and index the file at ``request["path"]``."""
    path, max_pixels = Path(request["path"]), int(request["max_pixels"])
    with open_source(path, max_pixels=max_pixels) as container:
        stream = select_stream(container, path)
        _check_decodable(stream, path, max_pixels)
        prepare_decoder(stream, path, max_pixels=max_pixels, n_threads=1)
        found = _read(container, stream, path, int(request["max_packets"]))
        if not found.samples:
            raise _nothing_decodes(path, len(found.packets))
        index = _index(container, stream, found)
        facts = _facts(container, stream, found, index)
    _check_size(facts, path, max_pixels)
    return {"facts": facts.to_dict(), "index": base64.b64encode(index.to_bytes()).decode()}


def _check_decodable(stream: VideoStream, path: Path, max_pixels: int) -> None:
    if stream.codec_context is None:
        raise MediaError(
            f"Expected a video codec that FFmpeg decodes, but {path} uses one that it does not know.",
            hint="Convert the file, for example to H.264 in MP4.",
            code="unknown-codec",
        )
    refused = _REFUSED_SIZE.search(last_log_line())
    width, height = map(int, refused.groups()) if refused else (stream.width, stream.height)
    if width * height > max_pixels:
        raise _too_large(path, width, height, max_pixels)


def _check_size(facts: VideoFacts, path: Path, max_pixels: int) -> None:
    if facts.width * facts.height > max_pixels:
        raise _too_large(path, facts.width, facts.height, max_pixels)


def _too_large(path: Path, width: int, height: int, max_pixels: int) -> MediaError:
    return MediaError(
        f"Expected pictures of at most {max_pixels / 1e6:g} million pixels, "
        f"but {path} has {width} x {height}.",
        hint="Scale the video down, or raise the limit on pixels if you trust the file.",
        code="picture-too-large",
    )


def _nothing_decodes(path: Path, n_packets: int) -> MediaError:
    return MediaError(
        f"Expected a video with pictures, but none of the first packets of {path} decodes "
        f"({n_packets} packets; the decoder says: {last_log_line()}).",
        hint="Copy or record the file again; it is damaged or empty.",
        code="no-frames",
    )


def _read(container: InputContainer, stream: VideoStream, path: Path, max_packets: int) -> _Pass:
    found = _Pass()
    for packet in demux(container, stream):
        flags = KEY * packet.is_keyframe | DISCARD * packet.is_discard | CORRUPT * packet.is_corrupt
        found.packets.append((packet.pts, packet.dts, flags, packet.size))
        if len(found.packets) > max_packets:
            raise MediaError(
                f"Expected at most {max_packets} packets, but {path} has more.",
                hint="Cut the video into parts, or raise the limit on packets.",
                code="video-too-long",
            )
        found.note_duration(packet)
        if len(found.samples) < _N_SAMPLE_FRAMES and len(found.packets) <= _MAX_SAMPLE_PACKETS:
            found.samples += _decode(stream, packet)
    if len(found.samples) < _N_SAMPLE_FRAMES and len(found.packets) <= _MAX_SAMPLE_PACKETS:
        found.samples += _decode(stream, None)
    return found


def _decode(stream: VideoStream, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
    try:
        return list(stream.codec_context.decode(packet))
    except (av.FFmpegError, MemoryError):
        return []


def _index(container: InputContainer, stream: VideoStream, found: _Pass) -> PacketIndex:
    has_made_up_times = container.format.name in _UNTIMED_CONTAINERS and stream.codec_context.has_b_frames
    rate = stream.guessed_rate or stream.average_rate or _NOT_ENCODED_RATE
    return build_index(
        found.packets,
        stream.time_base or Fraction(1, 90000),
        1 / rate,
        are_times_reliable=not has_made_up_times,
    )


def _facts(container: InputContainer, stream: VideoStream, found: _Pass, index: PacketIndex) -> VideoFacts:
    frame, context = found.samples[0], stream.codec_context
    orientation = orientation_from_matrix(_display_matrix(frame))
    pixel_aspect = context.sample_aspect_ratio or Fraction(1)
    width, height = square_pixel_size(frame.width, frame.height, pixel_aspect)
    if (width, height) == (frame.width, frame.height):
        pixel_aspect = Fraction(1)
    colour = colour_of(frame)
    pts = index.pts[index.rows_in_presentation_order()]
    n_declared = stream.frames
    return VideoFacts(
        container=container.format.name,
        codec=context.name,
        duration_s=_duration_s(pts, found, index.time_base),
        width=height if orientation.swaps_sides else width,
        height=width if orientation.swaps_sides else height,
        rotation=orientation.rotation,
        stream_index=stream.index,
        time_base=index.time_base,
        start_pts=int(pts[0]) if len(pts) else 0,
        n_frames=index.n_frames,
        is_variable_frame_rate=_is_variable(pts),
        details={
            "coded_width": frame.width,
            "coded_height": frame.height,
            "pixel_aspect": format_fraction(pixel_aspect),
            "is_mirrored": orientation.is_mirrored,
            "pixel_format": frame.format.name,
            "bit_depth": max((c.bits for c in frame.format.components), default=8),
            "colour": colour.to_dict(),
            "hdr": ("hlg" if colour.transfer == HLG else "pq") if colour.is_hdr else None,
            "is_interlaced": context.field_order > _PROGRESSIVE
            or any(f.interlaced_frame for f in found.samples),
            "average_rate": format_fraction(stream.average_rate) if stream.average_rate else None,
            "n_video_streams": len(container.streams.video),
            "time_source": "ordinal" if index.is_ordinal else "pts",
            "n_packets": len(index),
            "n_keyframes": int(np.count_nonzero(index.flags & KEY)),
            "n_damaged_packets": int(np.count_nonzero(index.flags & CORRUPT)),
            "n_declared_frames": n_declared,
            "is_truncated": 0 < len(index) < n_declared,
            "decoder": decoder_facts(),
        },
    )


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    side_data: Any = frame.side_data  # declared as a dictionary, it yields buffers
    for data in side_data:
        if data.type is SideDataType.DISPLAYMATRIX:
            return np.frombuffer(bytes(data), np.int32)
    return None


def _duration_s(pts: NDArray[np.int64], found: _Pass, time_base: Fraction) -> float:
    """From the first picture to the end of the last one."""
    if not len(pts):
        return 0.0
    steps = np.diff(np.sort(pts))
    usual = int(np.median(steps)) if len(steps) else 0
    last = (found.last_shown[1] if found.last_shown else 0) or usual
    return float((int(pts.max()) - int(pts.min()) + last) * time_base)


def _is_variable(pts: NDArray[np.int64]) -> bool:
    """Whether the steps differ by more than the rounding of timestamps to the time base explains."""
    steps = np.diff(np.sort(pts))
    if len(steps) < 2:
        return False
    return bool(np.ptp(steps) > max(2.0, 0.02 * float(np.median(steps))))


if __name__ == "__main__":
    serve(probe)
