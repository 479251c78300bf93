"""Writes a video file from pictures, as a camera does: H.264 in MP4, turned pixels with a display matrix."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from komadori.core.disk import storage_errors
from komadori.core.errors import DependencyError, InputError
from komadori.core.types import Image
from komadori.media.colour import BT709, LIMITED_RANGE

TIME_BASE = Fraction(1, 90_000)
"""Of every file written here; the usual frame rates are whole numbers of it."""

ROTATIONS = (0, 90, 180, 270)

_CODEC: Final = "libx264"
_PRESET = "veryfast"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are compressed.

    Attributes:
        crf: Constant rate factor of x264: 0 loses next to nothing, 23 is usual, 51 is the worst.
        n_b_frames: How many frames in a row may refer to later ones, so that they are stored out of order.
        keyframe_every: The most frames from one keyframe to the next.
    """

    crf: int = 23
    n_b_frames: int = 2
    keyframe_every: int = 48

    def __post_init__(self) -> None:
        if not (0 <= self.crf <= 51 and 0 <= self.n_b_frames <= 16 and self.keyframe_every >= 1):
            raise InputError(
                f"Expected crf 0 to 51, 0 to 16 B-frames and a keyframe every 1 or more frames, got {self}.",
                hint="23, 2 and 48 are usual.",
                code="invalid-encoding",
            )


def encode_video(
    path: Path,
    frames: Iterable[tuple[int, Image]],
    size_wh: tuple[int, int],
    *,
    rotation: int = 0,
    encoding: Encoding | None = None,
) -> None:
    """Write an MP4 file; on one machine the same pictures give the same bytes.

    Sizes with an odd side are written with full colour resolution (4:4:4), since halved colour
    needs even ones; all others as cameras do, with halved colour (4:2:0).

    Args:
        path: The file; it is overwritten.
        frames: The pts in ``TIME_BASE``, growing, and the upright picture (H, W, 3) of each frame.
        size_wh: Width and height of the upright pictures.
        rotation: The clockwise turn in degrees that a player shall make. The pixels are stored turned
            the other way, as phones do that are held upright.
        encoding: How they are compressed.

    Raises:
        InputError: The rotation is no quarter turn, or a picture has another size.
        DependencyError: FFmpeg was built without x264.
        StorageError: The file cannot be written.
    """
    if rotation not in ROTATIONS:
        raise InputError(
            f"Expected a rotation of {', '.join(map(str, ROTATIONS))} degrees, got {rotation}.",
            hint="Only quarter turns are stored.",
            code="invalid-rotation",
        )
    with (
        storage_errors(f"write {path}"),
        av.open(path, "w", format="mp4", options=_muxer_options()) as container,
    ):
        stream = _add_stream(container, size_wh, rotation, encoding or Encoding())
        converter = VideoReformatter()
        for pts, upright in frames:
            _check_size(upright, size_wh)
            frame = _stored(upright, rotation, converter, str(stream.pix_fmt))
            frame.pts, frame.time_base = pts, TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _muxer_options() -> dict[str, str]:
    return {"video_track_timescale": str(TIME_BASE.denominator), "fflags": "+bitexact"}


def _add_stream(
    container: OutputContainer, size_wh: tuple[int, int], rotation: int, encoding: Encoding
) -> VideoStream:
    width, height = size_wh if rotation in (0, 180) else size_wh[::-1]
    options = {
        "preset": _PRESET,
        "crf": str(encoding.crf),
        "bf": str(encoding.n_b_frames),
        "g": str(encoding.keyframe_every),
        "threads": "1",  # with several, the bytes depend on how many
        # Some of x264's vector code weighs blocks by memory that nothing has written: the same pictures
        # then give other bytes in one run of ten.
        "x264-params": "cpu-independent=1",
    }
    try:
        stream = container.add_stream(_CODEC, options=options)
    except (av.FFmpegError, ValueError) as exc:
        raise DependencyError(
            f"Expected FFmpeg's encoder {_CODEC}, got a build without it.",
            hint="Install the `av` package from its wheel, which has it.",
            code="no-encoder",
        ) from exc
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    stream.time_base = TIME_BASE
    context = stream.codec_context
    context.time_base = TIME_BASE
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    stream.set_display_rotation(-rotation)
    return stream


def _stored(upright: Image, rotation: int, converter: VideoReformatter, pix_fmt: str) -> VideoFrame:
    """The picture turned as it lies in the file, as luma and colour differences of BT.709."""
    turned = np.ascontiguousarray(np.rot90(upright, k=rotation // 90))
    rgb = VideoFrame.from_ndarray(turned, format="rgb24")
    return converter.reformat(
        rgb, format=pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED_RANGE, threads=1
    )


def _check_size(upright: Image, size_wh: tuple[int, int]) -> None:
    expected = (size_wh[1], size_wh[0], 3)
    if upright.shape != expected:
        raise InputError(
            f"Expected pictures {expected}, got one {upright.shape}.",
            hint="All frames of a video have one size.",
            code="invalid-image",
        )
