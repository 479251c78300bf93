"""Turns decoded pictures into upright RGB in square pixels, and those into JPEG files."""

import platform
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from komadori.core.near_duplicates import LUMA_SIZE_HW, Luma
from komadori.core.types import Image, JsonDict
from komadori.media.base import ExtractOptions
from komadori.media.colour import BT709, FULL_RANGE, Colour, colour_of
from komadori.media.orientation import Orientation
from komadori.media.tone_map import describe, tone_map

_SUBSAMPLING = "420"
_LIBRARIES = ("libavcodec", "libavformat", "libavfilter", "libswscale")
_MAX_PIXEL_STRETCH = 8
_JPEG_MAX_SIDE = 65500


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame ready to be compared, kept or dropped; the RGB conversion is done only if it is kept."""

    source: VideoFrame
    colour: Colour
    luma: Luma


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """The two JPEG files of a kept frame, the size of the full one, and its mean colour as 0xRRGGBB."""

    jpeg: bytes
    thumbnail_jpeg: bytes
    width: int
    height: int
    mean_colour: int


class PictureMaker:
    """Renders the frames of one video; keeps the converters of FFmpeg set up between frames."""

    def __init__(self, orientation: Orientation, pixel_aspect: Fraction, options: ExtractOptions) -> None:
        self._orientation = orientation
        self._pixel_aspect = pixel_aspect
        self._options = options
        self._full, self._small, self._grey = VideoReformatter(), VideoReformatter(), VideoReformatter()

    def look(self, frame: VideoFrame) -> Picture:
        """The frame with its colours understood and a grey thumbnail for comparisons."""
        colour = colour_of(frame)
        height, width = LUMA_SIZE_HW
        grey = self._grey.reformat(
            frame,
            width,
            height,
            "gray",
            src_color_range=colour.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return Picture(frame, colour, _as_bytes(grey).copy())

    def encode(self, picture: Picture) -> EncodedPicture:
        """The full picture and the thumbnail as JPEG; costs about 8 ms for 1920 x 1080 on one core."""
        frame, colour = picture.source, picture.colour
        width, height = square_pixel_size(frame.width, frame.height, self._pixel_aspect)
        source = self._tone_mapped(frame, colour) if colour.is_hdr else frame
        full = self._to_rgb(self._full, source, (width, height), colour)
        small_size = _fit(width, height, self._options.thumbnail_px)
        small = self._to_rgb(self._small, source, small_size, colour, Interpolation.AREA)
        upright = self._orientation.apply(full)
        return EncodedPicture(
            _jpeg(upright, self._options.jpeg_quality),
            _jpeg(self._orientation.apply(small), self._options.thumbnail_quality),
            width=upright.shape[1],
            height=upright.shape[0],
            mean_colour=mean_colour(small),
        )

    def transform(self, colour: Colour, *, is_deinterlaced: bool) -> JsonDict:
        """What the ledger keeps: everything needed to make the same bytes again."""
        return {
            "rotation": self._orientation.rotation,
            "is_mirrored": self._orientation.is_mirrored,
            "pixel_aspect": f"{self._pixel_aspect.numerator}/{self._pixel_aspect.denominator}",
            "colour": colour.to_dict(),
            "tone_map": describe(colour.transfer) if colour.is_hdr else None,
            "is_deinterlaced": is_deinterlaced,
            "encoder": encoder_facts(self._options.jpeg_quality),
            "decoder": decoder_facts(),
        }

    def _to_rgb(
        self,
        converter: VideoReformatter,
        frame: VideoFrame,
        size: tuple[int, int],
        colour: Colour,
        scaling: Interpolation = Interpolation.BICUBIC,
    ) -> Image:
        is_scaled = size != (frame.width, frame.height)
        rgb = converter.reformat(
            frame,
            size[0],
            size[1],
            "rgb24",
            src_colorspace=None if frame.format.is_rgb else colour.matrix,
            src_color_range=None if frame.format.is_rgb else colour.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=scaling if is_scaled else Interpolation.BILINEAR,
            threads=1,
        )
        return np.ascontiguousarray(_as_bytes(rgb))

    def _tone_mapped(self, frame: VideoFrame, colour: Colour) -> VideoFrame:
        signal = self._full.reformat(
            frame,
            format="rgb48le",
            src_colorspace=None if frame.format.is_rgb else colour.matrix,
            src_color_range=None if frame.format.is_rgb else colour.range,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        rgb = VideoFrame.from_ndarray(
            tone_map(np.asarray(signal.to_ndarray(), np.uint16), colour.transfer), format="rgb24"
        )
        rgb.colorspace, rgb.color_range = BT709, FULL_RANGE
        return rgb


def square_pixel_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """The size in square pixels; the shorter direction grows, so that no detail is lost.

    A stretch that no real camera has (beyond 8, or so that a JPEG could not hold it) is ignored.
    """
    if pixel_aspect <= 0 or max(pixel_aspect, 1 / pixel_aspect) > _MAX_PIXEL_STRETCH:
        return width, height
    if pixel_aspect > 1:
        stretched = round(width * pixel_aspect), height
    else:
        stretched = width, round(height / pixel_aspect)
    return stretched if max(stretched) <= _JPEG_MAX_SIDE else (width, height)


def mean_colour(picture: Image) -> int:
    """The mean of all pixels as 0xRRGGBB: what a thumbnail looks like before it is there."""
    rows_first = picture.mean(axis=0, dtype=np.float32)  # 30 times as fast as all pixels at once
    red, green, blue = np.rint(rows_first.mean(axis=0)).astype(int).tolist()
    return int(red << 16 | green << 8 | blue)


@cache
def encoder_facts(quality: int) -> JsonDict:
    """The encoder and its arguments."""
    version: str = simplejpeg.__version__
    return {"simplejpeg": version, "quality": quality, "subsampling": _SUBSAMPLING}


@cache
def decoder_facts() -> JsonDict:
    """The decoder and its libraries; results may differ in the last bit between machine types."""
    versions = {name: ".".join(map(str, av.library_versions[name])) for name in _LIBRARIES}
    return {"av": av.__version__, "machine": platform.machine(), **versions}


def _as_bytes(frame: VideoFrame) -> NDArray[np.uint8]:
    """A view of an 8-bit picture as an array."""
    return np.asarray(frame.to_ndarray(), np.uint8)


def _jpeg(picture: Image, quality: int) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(
        picture, quality=quality, colorspace="RGB", colorsubsampling=_SUBSAMPLING
    )
    return data


def _fit(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
