"""Pictures to search with, and pictures that are stored as frames."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image as Pictures

from tests.support.hostile.base import Hostile, of_bytes, seeded

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_ODD_MODES = (
    *(("1", "PNG"), ("L", "JPEG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG")),
    *(("I;16", "PNG"), ("I;16", "TIFF"), ("F", "TIFF"), ("YCbCr", "JPEG"), ("LAB", "TIFF")),
)


def files() -> Iterator[Hostile]:
    """All of them."""
    for name in _FORMATS:
        for share in (0.02, 0.3, 0.7, 0.97):
            yield _one(f"{share:.0%} of a {name}", partial(_cut, name, share))
        for n_flips in (4, 60):
            yield _one(f"{n_flips} flips in a {name}", partial(_flipped, name, n_flips))
    for mode, name in _ODD_MODES:
        yield _one(f"mode {mode} as {name}", partial(_saved, name, mode=mode), is_good=True)
    yield from _bombs()
    yield from _tiff_lies()
    yield from _foreign()
    yield from _stored()


def png_bomb(width: int, height: int) -> bytes:
    """A black picture of any size in a few kilobytes."""
    packer = zlib.compressobj(9)
    row = bytes(width // 8 + 1 + (width % 8 > 0))
    packed = [packer.compress(row * 64) for _ in range(height // 64)]
    packed.append(packer.compress(row * (height % 64)) + packer.flush())
    return _png(struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0), (b"IDAT", b"".join(packed)))


def gif_claiming(width: int, height: int) -> bytes:
    """A small GIF whose screen and picture claim another size."""
    data = bytearray(_saved("GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    at = data.index(b"\x2c")
    data[at + 5 : at + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG that claims another size."""
    data = bytearray(_saved("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@cache
def _saved(name: str, *, mode: str = "RGB", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    rows = np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), np.uint8)
    picture = Pictures.fromarray(rows)
    if mode == "I;16":
        picture = Pictures.fromarray(rows[:, :, 0].astype(np.uint16) * 200)
    elif mode == "LAB":
        picture = Pictures.frombytes("LAB", size, rows.tobytes())
    else:
        picture = picture.convert(mode)
    out = io.BytesIO()
    picture.save(out, name, **options)
    return out.getvalue()


def _one(name: str, data: Callable[[], bytes], *, is_good: bool = False) -> Hostile:
    return of_bytes("pictures", name, data, kind="picture", is_good=is_good)


def _cut(name: str, share: float) -> bytes:
    data = _saved(name)
    return data[: max(1, int(len(data) * share))]


def _flipped(name: str, n_flips: int) -> bytes:
    data, chance = bytearray(_saved(name)), seeded(name, n_flips)
    for _ in range(n_flips):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _small_png(*chunks: tuple[bytes, bytes]) -> bytes:
    rows = zlib.compress(bytes(9 * 3) * 3)
    return _png(struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0), *chunks, (b"IDAT", rows))


def _bombs() -> Iterator[Hostile]:
    yield _one("png of 60000 x 60000", lambda: png_bomb(60_000, 60_000))
    yield _one("png of 16000 x 16000", lambda: png_bomb(16_000, 16_000))
    yield _one("png of 13000 x 13000", lambda: png_bomb(13_000, 13_000))
    yield _one("png at the limit", lambda: png_bomb(7_070, 7_070), is_good=True)
    yield _one("png of 2^31 x 1", lambda: _png(struct.pack(">IIBBBBB", 2**31 - 1, 1, 1, 0, 0, 0, 0)))
    yield _one("png of 0 x 0", lambda: _png(struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)))
    yield _one("png with 200 MB of text", lambda: _small_png((b"zTXt", b"t\0\0" + _packed(200))))
    yield _one("png with 200 MB of more text", lambda: _small_png((b"iTXt", b"t\0\1\0\0\0" + _packed(200))))
    yield _one("png with 200 MB of colours", lambda: _small_png((b"iCCP", b"p\0\0" + _packed(200))))
    yield _one("png with 300 texts", lambda: _small_png(*[(b"zTXt", b"t\0\0" + _packed(1))] * 300))
    yield _one("png with 100000 chunks", lambda: _small_png(*[(b"teSt", b"")] * 100_000))
    yield _one("png of 50000 x 1", lambda: png_bomb(50_000, 1), is_good=True)
    yield _one("jpeg of 65535 x 65535", lambda: jpeg_claiming(65_535, 65_535))
    yield _one("jpeg of 7000 x 7000", lambda: jpeg_claiming(7_000, 7_000))
    yield _one("jpeg of 0 x 0", lambda: jpeg_claiming(0, 0))
    yield _one("jpeg of 10000 scans", lambda: _many_scans(10_000))
    yield _one("gif of 65535 x 65535", lambda: gif_claiming(65_535, 65_535))
    yield _one("gif of 7000 x 7000", lambda: gif_claiming(7_000, 7_000))
    yield _one("gif of 3000 frames", lambda: _frames("GIF", 3_000), is_good=True)
    yield _one("webp of 16383 x 16383", lambda: _webp_claiming(16_383, 16_383))
    yield _one("bmp of 60000 x 60000", lambda: _bmp_claiming(60_000, 60_000))
    yield _one("bmp of -2^31 rows", lambda: _bmp_claiming(100, -(2**31)))
    yield _one("tiff of 2000 pages", lambda: _frames("TIFF", 2_000), is_good=True)
    yield _one("turned by exif", lambda: _saved("JPEG", exif=_exif(6)), is_good=True)
    yield _one("exif of nonsense", lambda: _saved("JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 900))


@cache
def _packed(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes * 1_000_000), 9)


def _exif(orientation: int) -> bytes:
    exif = Pictures.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _many_scans(n: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = _saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * n + b"\xff\xd9"


def _frames(name: str, n: int) -> bytes:
    pictures = [Pictures.new("L", (8, 8), index % 256) for index in range(n)]
    out = io.BytesIO()
    pictures[0].save(out, name, save_all=True, append_images=pictures[1:])
    return out.getvalue()


def _webp_claiming(width: int, height: int) -> bytes:
    data = _saved("WEBP")
    at = data.index(b"\x9d\x01\x2a") + 3
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def _bmp_claiming(width: int, height: int) -> bytes:
    data = _saved("BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _tiff_lies() -> Iterator[Hostile]:
    for name, tag, kind, count, value in (
        ("60000 columns", 256, 4, 1, 60_000),
        ("2^32 rows", 257, 4, 1, 2**32 - 1),
        ("65535 bits", 258, 3, 1, 65_535),
        ("no compression known", 259, 3, 1, 32_000),
        ("jpeg inside", 259, 3, 1, 7),
        ("lzw inside", 259, 3, 1, 5),
        ("deflate inside", 259, 3, 1, 8),
        ("fax inside", 259, 3, 1, 4),
        ("rows of 0", 278, 3, 1, 0),
        ("strips beyond the end", 273, 4, 1, 2**31),
        ("2^31 strips", 273, 4, 2**31 - 1, 8),
        ("colours of ascii", 262, 2, 9, 8),
        ("0 samples", 277, 3, 1, 0),
        ("200 samples", 277, 3, 1, 200),
    ):
        entry = struct.pack("<HHII", tag, kind, count, value)
        yield _one(f"tiff with {name}", partial(_tiff_with, tag, entry))
    yield _one("tiff that points at itself", _tiff_loop)
    yield _one("tiff without tags", lambda: b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    yield _one("big tiff far away", lambda: b"II+\0\x08\0\0\0" + b"\xff" * 8)


def _tiff_with(tag: int, entry: bytes) -> bytes:
    data = bytearray(_saved("TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * n, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            data[at : at + 12] = entry
    return bytes(data)


def _tiff_loop() -> bytes:
    data = bytearray(_saved("TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * n, start)
    return bytes(data)


def _foreign() -> Iterator[Hostile]:
    """What is no picture, or one of a kind that is not taken."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    yield _one("svg", lambda: svg)
    yield _one("postscript", lambda: postscript)
    yield _one("html", lambda: b"<html><script>alert(1)</script>")
    yield _one("nothing", lambda: b"")
    yield _one("zeros", lambda: bytes(100_000))
    yield _one("noise", lambda: seeded("noise").randbytes(100_000))
    yield _one("ico", lambda: _saved("ICO"))
    yield _one("tga", lambda: _saved("TGA"))
    yield _one("ppm", lambda: b"P6 60000 60000 255\n" + bytes(300))
    yield _one("fits", lambda: b"SIMPLE  =                    T" + b" " * 2850)
    yield _one("psd", lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3))
    yield _one("xpm", lambda: b"/* XPM */\nstatic char * x[] = {\n" + b'"9 9 9 9"' * 9)
    yield _one("avif", lambda: b"\0\0\0\x20ftypavif" + bytes(400))
    yield _one("jpeg and zip", lambda: _saved("JPEG") + b"PK\3\4" + bytes(60), is_good=True)
    yield _one("gif and script", lambda: b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)")


def _stored() -> Iterator[Hostile]:
    def one(name: str, data: Callable[[], bytes]) -> Hostile:
        return of_bytes("stored", name, data, kind="stored")

    for share in (0.02, 0.3, 0.97):
        yield one(f"{share:.0%} of it", partial(_cut, "JPEG", share))
    for n_flips in (2, 10, 100):
        yield one(f"{n_flips} flips", partial(_flipped, "JPEG", n_flips))
    yield one("of 65535 x 65535", lambda: jpeg_claiming(65_535, 65_535))
    yield one("of 20000 x 20000", lambda: jpeg_claiming(20_000, 20_000))
    yield one("of 0 x 0", lambda: jpeg_claiming(0, 0))
    yield one("a png", lambda: _saved("PNG"))
    yield one("nothing", lambda: b"")
    yield one("zeros", lambda: bytes(5_000))
