"""What hostile files are made of: tiny good ones, and the boxes of containers written by hand."""

import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from tests.support.clips import ffmpeg

Kind = Literal["video", "picture", "stored"]


@dataclass(frozen=True, slots=True)
class World:
    """Where a hostile file is put, and what it tries to reach.

    Attributes:
        folder: Its own, empty.
        secret: A good video that nothing may open.
        port: Of a server on the loopback interface that nothing may ask.
    """

    folder: Path
    secret: Path
    port: int

    @property
    def url(self) -> str:
        """The address that nothing may ask."""
        return f"http://127.0.0.1:{self.port}/secret.ts"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A way to make one hostile file.

    Attributes:
        family: What kind of evil it is.
        name: Its name within the family.
        make: Puts it into a world and returns its path as a caller would give it.
        kind: A file to take frames from, a picture to search with, or one that is stored as a frame.
        is_good: Whether it must be read, however odd it is.
    """

    family: str
    name: str
    make: Callable[[World], str]
    kind: Kind = "video"
    is_good: bool = False


def of_bytes(
    family: str, name: str, data: Callable[[], bytes], *, kind: Kind = "video", is_good: bool = False
) -> Hostile:
    """A file with these bytes, made when it is wanted."""

    def make(world: World) -> str:
        path = world.folder / name.replace("/", " of ")
        path.write_bytes(data())
        return str(path)

    return Hostile(family, name, make, kind, is_good)


_SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1.6"]
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", "-g", "8"]
_RECIPES: dict[str, list[str]] = {
    "h264.mp4": [*_SOURCE, *_X264],
    "faststart.mp4": [*_SOURCE, *_X264, "-movflags", "+faststart"],
    "fragmented.mp4": [*_SOURCE, *_X264, "-movflags", "frag_keyframe+empty_moov"],
    "h264.mov": [*_SOURCE, *_X264],
    "h264.mkv": [*_SOURCE, *_X264],
    "h264.ts": [*_SOURCE, *_X264],
    "h264.flv": [*_SOURCE, *_X264],
    "raw.h264": [*_SOURCE, *_X264],
    "hevc.mp4": [*_SOURCE, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"],
    "vp9.webm": [*_SOURCE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "8"],
    "vp8.webm": [*_SOURCE, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "8"],
    "vp9.ivf": [*_SOURCE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "av1.mp4": [*_SOURCE, "-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1"],
    "mpeg4.avi": [*_SOURCE, "-c:v", "mpeg4", "-g", "8", "-q:v", "4"],
    "mjpeg.avi": [*_SOURCE, "-c:v", "mjpeg", "-q:v", "4"],
    "mpeg2.mpg": [*_SOURCE, "-r", "25", "-c:v", "mpeg2video", "-g", "8", "-q:v", "4"],
    "prores.mov": [*_SOURCE, "-c:v", "prores_ks", "-profile:v", "0"],
    "loop.gif": [*_SOURCE],
    "sound.aac": ["-f", "lavfi", "-i", "sine=d=1", "-f", "adts"],
    "sound.wav": ["-f", "lavfi", "-i", "sine=d=1"],
    "sound.mp3": ["-f", "lavfi", "-i", "sine=d=1"],
    "sound.flac": ["-f", "lavfi", "-i", "sine=d=1"],
    "sound.m4a": ["-f", "lavfi", "-i", "sine=d=1"],
    "sound.mka": ["-f", "lavfi", "-i", "sine=d=1"],
    "sound.ogg": ["-f", "lavfi", "-i", "sine=d=1"],
    "raw.yuv": [*_SOURCE, "-f", "rawvideo", "-pix_fmt", "yuv420p"],
}


@cache
def good(name: str) -> bytes:
    """A tiny good file: 96 x 64, 16 frames, or a second of sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        ffmpeg(*_RECIPES[name], str(path))
        return path.read_bytes()


def seeded(*parts: object) -> random.Random:
    """The same numbers each time for the same words."""
    return random.Random(zlib.crc32(repr(parts).encode()))


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of MP4 and MOV (ISO/IEC 14496-12, 4.2)."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def patched(data: bytes, kind: bytes, offset: int, value: bytes, *, which: int = 0) -> bytes:
    """A file with other bytes at ``offset`` behind the name of one of its boxes."""
    at = -1
    for _ in range(which + 1):
        at = data.index(kind, at + 1)
    start = at + len(kind) + offset
    return data[:start] + value + data[start + len(value) :]


def element(identifier: str, *parts: bytes, size: bytes | None = None) -> bytes:
    """An element of Matroska (RFC 8794), with a size of eight bytes unless another is given."""
    body = b"".join(parts)
    length = struct.pack(">Q", len(body) | 1 << 56) if size is None else size
    return bytes.fromhex(identifier) + length + body


def number(value: int) -> bytes:
    """A number as Matroska keeps it."""
    return value.to_bytes(8, "big")


EBML = element(
    "1a45dfa3",
    element("4286", b"\x01"),
    element("42f7", b"\x01"),
    element("42f2", b"\x04"),
    element("42f3", b"\x08"),
    element("4282", b"matroska"),
    element("4287", b"\x04"),
    element("4285", b"\x02"),
)
UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"
"""The size of an element that ends where something else begins."""


def track(index: int, codec: bytes, width: int, height: int, *more: bytes) -> bytes:
    """A video track of Matroska."""
    size = element("e0", element("b0", number(width)), element("ba", number(height)))
    kind = element("83", b"\x01")
    return element("ae", element("d7", number(index)), element("73c5", number(index)), kind,
                   element("86", codec), size, *more)  # fmt: skip


def cluster(time: int, *frames: bytes) -> bytes:
    """A cluster of Matroska with frames of the first track, one tick apart."""
    blocks = [
        element("a3", b"\x81" + struct.pack(">hB", index, 0x80) + frame) for index, frame in enumerate(frames)
    ]
    return element("1f43b675", element("e7", number(time)), *blocks)


def matroska(tracks: bytes, *rest: bytes, scale: int = 1_000_000) -> bytes:
    """A file of Matroska."""
    info = element("1549a966", element("2ad7b1", number(scale)), element("4d80", b"x"), element("5741", b"x"))
    return EBML + element("18538067", info, element("1654ae6b", tracks), *rest)
