"""Files whose sizes and counts are not what they say."""

import struct
from collections.abc import Callable, Iterator

from tests.support.hostile.base import (
    EBML,
    UNKNOWN_SIZE,
    Hostile,
    box,
    element,
    good,
    matroska,
    of_bytes,
    patched,
    track,
)

_MOST = b"\xff\xff\xff\xff"
_TABLES = (b"stts", b"stsc", b"stsz", b"stco", b"ctts", b"stss")
_DEPTH = 4_000


def files() -> Iterator[Hostile]:
    """All of them."""
    for kind in _TABLES:
        offset = 8 if kind == b"stsz" else 4
        yield _mp4(f"{kind.decode()} of 2^32 entries", _patch(kind, offset, _MOST))
        yield _mp4(f"{kind.decode()} with wild entries", _patch(kind, offset + 4, _MOST * 4))
    yield _mp4("samples of 2 GiB", _patch(b"stsz", 4, b"\x7f\xff\xff\xff"))
    yield _mp4("timescale 0", _patch(b"mdhd", 12, bytes(4)))
    yield _mp4("timescale 2^32", _patch(b"mdhd", 12, _MOST))
    yield _mp4("duration 2^32", _patch(b"mdhd", 16, _MOST))
    yield _mp4("edit far away", _patch(b"elst", 8, _MOST * 3))
    yield _mp4("edit at rate 0", _patch(b"elst", 16, bytes(4)))
    yield _mp4("description of 4 GiB", _patch(b"stsd", 8, _MOST))
    yield _mp4("no description", _patch(b"stsd", 4, bytes(4)))
    yield _mp4("parameter sets of 64 KiB", _patch(b"avcC", 6, b"\xff\xff"))
    yield _mp4("a matrix of noise", _patch(b"tkhd", 40, b"\x81\x5a" * 18))
    yield _mp4("a matrix of zeros", _patch(b"tkhd", 40, bytes(36)))
    yield _mp4("a pixel shape of 0/0", _patch(b"pasp", 0, bytes(8)))
    yield _mp4("a pixel shape of 2^31/1", _patch(b"pasp", 0, b"\x7f\xff\xff\xff\x00\x00\x00\x01"))
    yield _mp4("mdat of 2^63", lambda: _large_mdat(2**63))
    yield _mp4("mdat of 2^64 - 1", lambda: _large_mdat(2**64 - 1))
    yield _mp4("a box of 7 bytes", lambda: box(b"ftyp", b"isom", bytes(8)) + struct.pack(">I4s", 7, b"moov"))
    yield _mp4("moov of 4 GiB", lambda: good("h264.mp4").replace(_length_of(b"moov"), _MOST + b"moov"))
    yield _mp4("boxes in boxes", lambda: box(b"ftyp", b"isom", bytes(8)) + _nested(b"moov"))
    yield _mp4("udta in udta", lambda: box(b"ftyp", b"isom", bytes(8)) + box(b"moov", _nested(b"udta")))
    yield _mkv("elements of unknown size", lambda: EBML + _open("18538067") + _open("1f43b675") * _DEPTH)
    yield _mkv("tags in tags", lambda: matroska(b"", _nested_tags()))
    yield _mkv("a segment of 2^56 - 2", lambda: EBML + _open("18538067", b"\x01" + b"\xff" * 6 + b"\xfe"))
    yield _mkv("a name of 1 GiB", lambda: EBML + element("18538067", _open("7ba9", b"\x10\x40\x00\x00\x00")))
    yield _mkv("a track without a number", lambda: matroska(track(0, b"V_VP9", 64, 64)))
    yield _mkv("private data of 2 GiB", lambda: matroska(_track_with_private_data()))
    yield _mkv("ids of 255 bytes", lambda: EBML.replace(b"\x42\xf2" + _one(), b"\x42\xf2" + _one(255)))
    yield _avi("rate 0", b"strh", 24, bytes(4))
    yield _avi("scale 0", b"strh", 20, bytes(4))
    yield _avi("rate and scale 0", b"strh", 20, bytes(8))
    yield _avi("length 2^32", b"strh", 32, _MOST)
    yield _avi("riff of 4 GiB", b"RIFF", 0, _MOST)
    yield _avi("index of 4 GiB", b"idx1", 0, _MOST)
    yield _avi("header of 4 GiB", b"strf", 0, _MOST)
    yield of_bytes("lies", "sections.ts", lambda: good("h264.ts").replace(b"\x00\x02\xb0", b"\x00\x02\xbf"))
    yield of_bytes("lies", "tags of 16 MiB.flv", lambda: good("h264.flv")[:14] + b"\xff" * 300)


def _mp4(name: str, data: Callable[[], bytes]) -> Hostile:
    return of_bytes("lies", f"{name}.mp4", data)


def _mkv(name: str, data: Callable[[], bytes]) -> Hostile:
    return of_bytes("lies", f"{name}.mkv", data)


def _avi(name: str, kind: bytes, offset: int, value: bytes) -> Hostile:
    return of_bytes("lies", f"{name}.avi", lambda: patched(good("mpeg4.avi"), kind, offset, value))


def _patch(kind: bytes, offset: int, value: bytes) -> Callable[[], bytes]:
    return lambda: patched(good("h264.mp4"), kind, offset, value)


def _large_mdat(size: int) -> bytes:
    return box(b"ftyp", b"isom", bytes(8)) + struct.pack(">I4sQ", 1, b"mdat", size) + good("h264.mp4")


def _length_of(kind: bytes) -> bytes:
    data = good("h264.mp4")
    at = data.index(kind)
    return data[at - 4 : at + 4]


def _nested(kind: bytes) -> bytes:
    return b"".join(struct.pack(">I", 8 * (_DEPTH - level)) + kind for level in range(_DEPTH))


def _open(identifier: str, size: bytes = UNKNOWN_SIZE) -> bytes:
    return element(identifier, size=size)


def _nested_tags() -> bytes:
    """SimpleTag may hold itself."""
    inner = element("67c8", element("45a3", b"x"))
    for _ in range(300):
        inner = element("67c8", inner)
    return element("1254c367", element("7373", inner))


def _track_with_private_data() -> bytes:
    return track(1, b"V_MPEG4/ISO/AVC", 64, 64, _open("63a2", b"\x08\x7f\xff\xff\xff"))


def _one(value: int = 4) -> bytes:
    return element("", bytes([value]))
