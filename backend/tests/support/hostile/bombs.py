"""Small files that would take much: by the size of their pictures, by their length, by their streams."""

import struct
from collections.abc import Callable, Iterator

from tests.support.clips import clip
from tests.support.hostile.base import (
    Hostile,
    World,
    box,
    cluster,
    element,
    good,
    matroska,
    number,
    of_bytes,
    patched,
    seeded,
    track,
)
from tests.support.hostile.pictures import gif_claiming, jpeg_claiming, png_bomb

_FAR = 2**62


def files() -> Iterator[Hostile]:
    """All of them."""
    yield from _by_resolution()
    yield from _by_duration()
    yield from _by_streams()


def _by_resolution() -> Iterator[Hostile]:
    def one(name: str, data: Callable[[], bytes], *, is_good: bool = False) -> Hostile:
        return of_bytes("resolution", name, data, is_good=is_good)

    yield one("65535 in the track.mkv", lambda: matroska(track(1, b"V_VP8", 65535, 65535), _vp8(96, 64)))
    yield one("2^63 in the track.mkv", lambda: matroska(track(1, b"V_VP8", 2**63, 2**63), _vp8(96, 64)))
    yield one("16383 in the frame.mkv", lambda: matroska(track(1, b"V_VP8", 96, 64), _vp8(16383, 16383)))
    yield one("65535 in the description.mp4", lambda: _avc1_size(65535, 65535))
    yield one("0 x 0 in the description.mp4", lambda: _avc1_size(0, 0))
    yield one("sps of 65536 x 65536.h264", lambda: _sps(4096, 4096) + good("raw.h264"))
    yield one("sps of 65536 x 65536 later.h264", lambda: good("raw.h264") + _sps(4096, 4096) + _idr())
    yield one("sps of 16 x 1000000.h264", lambda: _sps(1, 62500) + good("raw.h264"))
    yield one("jpeg of 65535 x 65535.avi", lambda: _jpeg_in_avi(65535, 65535))
    yield one("rows of -2^31.avi", lambda: patched(good("mjpeg.avi"), b"strf", 12, b"\x00\x00\x00\x80"))
    yield one("raw of 60000 x 60000.y4m", lambda: b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + bytes(9000))
    yield one("raw of 2^31.y4m", lambda: b"YUV4MPEG2 W2147483647 H2147483647 F25:1\nFRAME\n")
    yield one("raw of 6400 x 6400.y4m", lambda: _y4m(6400, 6400))
    yield one("65535 x 65535.ivf", lambda: patched(good("vp9.ivf"), b"VP90", 0, b"\xff\xff\xff\xff"))
    yield one("65535 x 65535.gif", lambda: gif_claiming(65535, 65535))
    yield one("mpeg-2 of 4095 x 4095 times 4.mpg", lambda: _mpeg2_size(good("mpeg2.mpg")))
    yield one("png of 16000 x 16000.mkv", lambda: clip("huge.mkv").read_bytes())
    yield one("png of 7000 x 7000 in 9 frames.mkv", lambda: _pngs(7000, 9))


def _by_duration() -> Iterator[Hostile]:
    def one(name: str, data: Callable[[], bytes], *, is_good: bool = False) -> Hostile:
        return of_bytes("duration", name, data, is_good=is_good)

    yield one("10 million samples in a table.mp4", lambda: _samples(10_000_000))
    yield one("2^31 samples in a table.mp4", lambda: _samples(2**31 - 1))
    yield one("100 edits.mp4", lambda: _edits(100))
    yield one("a million edits.mp4", lambda: _edits(1_000_000))
    yield one("times at 2^62.mkv", lambda: _vp8_at(_FAR))
    yield one("times at 2^63.mkv", lambda: _vp8_at(2**63 - 1))
    yield one("times from 0 to 2^62.mkv", lambda: _vp8_at(0, 1, _FAR))
    yield one("times backwards.mkv", lambda: _vp8_at(*range(5000, 0, -100)))
    yield one("scale 0.mkv", lambda: _vp8_at(0, 1, 2, scale=0))
    yield one("scale 2^63.mkv", lambda: _vp8_at(0, 1, 2, scale=2**63))
    yield one("a tick of a day.mkv", lambda: _vp8_at(0, 1, 2, 30_000, scale=86_400 * 10**9))
    yield one("rate 10^9.y4m", lambda: _y4m(16, 16, b"1000000000:1", 20))
    yield one("rate 10^-9.y4m", lambda: _y4m(16, 16, b"1:1000000000", 20))
    yield one("rate 0 of 0.y4m", lambda: _y4m(16, 16, b"0:0", 20))
    yield one("2000 frames.y4m", lambda: _y4m(16, 16, b"25:1", 2_000))
    yield one("time base 0 of 0.ivf", lambda: _ivf(bytes(8)))
    yield one("time base 2^32.ivf", lambda: _ivf(b"\xff" * 8))
    yield one("clock of noise.ts", _noisy_clock)
    yield one("steps of 2^32.mp4", lambda: patched(good("h264.mp4"), b"stts", 12, b"\xff\xff\xff\xff"))


def _by_streams() -> Iterator[Hostile]:
    def one(name: str, data: Callable[[], bytes]) -> Hostile:
        return of_bytes("streams", name, data)

    yield one("2000 tracks.mkv", lambda: matroska(_tracks(2000), _vp8(96, 64)))
    yield one("900 tracks.mkv", lambda: matroska(_tracks(900), _vp8(96, 64)))
    yield one("1500 tracks.mp4", lambda: _many_traks(1500))
    yield one("300 programmes.ts", _many_programmes)
    yield one("500 streams.avi", _many_strls)
    yield one("3000 attachments.mkv", lambda: _with(_attachments(3000)))
    yield one("attachment out of the folder.mkv", lambda: _with(_attachments(1)))
    yield one("20000 chapters.mkv", lambda: _with(_chapters(20_000)))
    yield one("50000 tags.mkv", lambda: _with(_tags(50_000)))
    yield one("a tag of 20 MB.mkv", lambda: _with(_tags(1, 20_000_000)))
    yield one("subtitle before video.mkv", lambda: matroska(_subtitle_track() + _vp8_track(), _vp8(96, 64)))
    yield one("200000 empty boxes.mp4", lambda: box(b"free") * 200_000 + good("h264.mp4"))
    yield Hostile("streams", "8 GiB of nothing.mp4", _sparse)


def _vp8(width: int, height: int) -> bytes:
    return cluster(0, _vp8_frame(width, height))


def _vp8_frame(width: int, height: int) -> bytes:
    """A key frame (RFC 6386, 9.1) that says so large it is, with the data of a small one."""
    frame = good("vp8.webm")
    at = frame.index(b"\x9d\x01\x2a") - 3
    return frame[at : at + 6] + struct.pack("<HH", width, height) + frame[at + 10 : at + 1200]


def _vp8_track() -> bytes:
    return track(1, b"V_VP8", 96, 64)


def _vp8_at(*times: int, scale: int = 1_000_000) -> bytes:
    frame = _vp8_frame(96, 64)
    return matroska(_vp8_track(), *[cluster(time, frame) for time in times], scale=scale)


def _with(more: bytes) -> bytes:
    return matroska(_vp8_track(), more, _vp8(96, 64))


def _avc1_size(width: int, height: int) -> bytes:
    return patched(good("h264.mp4"), b"avc1", 24, struct.pack(">HH", width, height), which=1)


def _golomb(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _sps(width_mbs: int, height_mbs: int) -> bytes:
    """A sequence parameter set of H.264 (7.3.2.1.1), baseline profile."""
    fields = [0, 0, 0, 0, 1]  # id, log2_max_frame_num - 4, pic_order_cnt_type, log2_max_poc - 4, references
    bits = "".join(map(_golomb, fields)) + "0" + _golomb(width_mbs - 1) + _golomb(height_mbs - 1) + "1100"
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x00\x00\x00\x01\x67\x42\x00\x3e" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _idr() -> bytes:
    return b"\x00\x00\x00\x01\x68\xce\x38\x80\x00\x00\x00\x01\x65\x88\x84\x00\x33\xff" * 3


def _jpeg_in_avi(width: int, height: int) -> bytes:
    data = good("mjpeg.avi")
    claim = jpeg_claiming(width, height)
    at = data.index(b"\xff\xd8\xff")
    return data[:at] + claim + data[at + len(claim) :]


def _y4m(width: int, height: int, rate: bytes = b"25:1", n: int = 1) -> bytes:
    header = b"YUV4MPEG2 W%d H%d F%s Ip C420jpeg\n" % (width, height, rate)
    return header + (b"FRAME\n" + b"\x80" * (width * height * 3 // 2)) * n


def _ivf(time_base: bytes) -> bytes:
    data = good("vp9.ivf")
    return data[:16] + time_base + data[24:]


def _mpeg2_size(data: bytes) -> bytes:
    """4095 x 4095 in the header, and as much again in its extension (ISO/IEC 13818-2, 6.2.2)."""
    data = data.replace(b"\x00\x00\x01\xb3\x06\x00\x40", b"\x00\x00\x01\xb3\xff\xff\xff")
    return data.replace(b"\x00\x00\x01\xb5\x14\x8a", b"\x00\x00\x01\xb5\x14\x8b")


def _pngs(side: int, n: int) -> bytes:
    frame = png_bomb(side, side)
    return matroska(track(1, b"V_MS/VFW/FOURCC", side, side, element("63a2", _bitmap(side))),
                    *[cluster(time * 40, frame) for time in range(n)])  # fmt: skip


def _bitmap(side: int) -> bytes:
    return struct.pack("<IiiHH4sIiiII", 40, side, side, 1, 24, b"MPNG", 0, 0, 0, 0, 0)


def _samples(n: int) -> bytes:
    """Tables of a few bytes for any number of samples: all of one size and one duration."""
    data = good("h264.mp4")
    tables = {
        b"stts": struct.pack(">IIII", 0, 1, n, 1),
        b"stsz": struct.pack(">III", 0, 1, n),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, n, 1),
        b"ctts": bytes(8),
    }
    for kind, body in tables.items():
        at = data.index(kind)
        (size,) = struct.unpack(">I", data[at - 4 : at])
        filler = size - 8 - len(body) - 8
        if filler < 0:
            continue
        data = data[: at - 4] + box(kind, body) + box(b"free", bytes(filler)) + data[at - 4 + size :]
    return data


def _edits(n: int) -> bytes:
    """An edit list that shows the same second again and again."""
    data = good("h264.mp4")
    at = data.index(b"elst")
    (size,) = struct.unpack(">I", data[at - 4 : at])
    edits = struct.pack(">II", 0, n) + struct.pack(">IiI", 1000, 0, 0x10000) * n
    grown = data[: at - 4] + box(b"elst", edits) + data[at - 4 + size :]
    for outer in (b"edts", b"trak", b"moov"):
        place = grown.index(outer)
        (before,) = struct.unpack(">I", grown[place - 4 : place])
        larger = struct.pack(">I", before + len(edits) + 8 - size)
        grown = grown[: place - 4] + larger + grown[place:]
    return grown


def _noisy_clock() -> bytes:
    """Packets of MPEG-TS with random presentation times."""
    data, chance = bytearray(good("h264.ts")), seeded("clock")
    at = 0
    while (at := data.find(b"\x00\x00\x01\xe0", at + 1)) > 0:
        if data[at + 7] & 0x80:
            data[at + 9 : at + 14] = bytes([0x31 | chance.randrange(4) << 1, *chance.randbytes(4)])
    return bytes(data)


def _tracks(n: int) -> bytes:
    return b"".join(track(index, b"V_VP8", 96, 64) for index in range(1, n + 1))


def _subtitle_track() -> bytes:
    return element("ae", element("d7", b"\x02"), element("83", b"\x11"), element("86", b"S_TEXT/ASS"),
                   element("63a2", b"[Script Info]\n\x00"))  # fmt: skip


def _many_traks(n: int) -> bytes:
    data = good("h264.mp4")
    moov = data.index(b"moov") - 4
    trak = data.index(b"trak") - 4
    (size,) = struct.unpack(">I", data[trak : trak + 4])
    head, one = data[moov + 8 : trak], data[trak : trak + size]
    copies = [patched(one, b"tkhd", 12, struct.pack(">I", index + 1)) for index in range(n)]
    return data[:moov] + box(b"moov", head, *copies)


def _many_programmes() -> bytes:
    """A programme association table of many entries, all of which point at the same map."""
    data = good("h264.ts")
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    tables = [_association(first) for first in range(1, 300, 30)]
    return b"".join(tables) + b"".join(packets)


def _association(first: int) -> bytes:
    entries = b"".join(struct.pack(">HH", first + k, 0xE000 | (0x100 + first + k)) for k in range(30))
    section = b"\x00" + struct.pack(">H", 0xB000 | (9 + len(entries))) + b"\x00\x01\xc1\x00\x00" + entries
    packet = b"\x47\x40\x00\x10\x00" + section + _crc_mpeg(section)
    return packet + b"\xff" * (188 - len(packet))


def _crc_mpeg(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return struct.pack(">I", crc)


def _many_strls() -> bytes:
    data = good("mpeg4.avi")
    at = data.index(b"strl") - 8
    (size,) = struct.unpack("<I", data[at + 4 : at + 8])
    one = data[at : at + 8 + size]
    header = data.index(b"hdrl") - 8
    (before,) = struct.unpack("<I", data[header + 4 : header + 8])
    larger = struct.pack("<I", before + 499 * len(one))
    return data[: header + 4] + larger + data[header + 8 : at] + one * 500 + data[at + len(one) :]


def _attachments(n: int) -> bytes:
    one = element("61a7", element("466e", b"../../../escaped.ttf"), element("4660", b"font/ttf"),
                  element("46ae", number(7)), element("465c", b"x" * 50))  # fmt: skip
    return element("1941a469", one * n)


def _chapters(n: int) -> bytes:
    one = element("b6", element("91", number(0)), element("92", number(10**9)),
                  element("80", element("85", b"chapter" * 3), element("437c", b"eng")))  # fmt: skip
    return element("1043a770", element("45b9", one * n))


def _tags(n: int, size: int = 20) -> bytes:
    one = element(
        "7373", element("63c0"), element("67c8", element("45a3", b"T"), element("4487", b"x" * size))
    )
    return element("1254c367", one * n)


def _sparse(world: World) -> str:
    path = world.folder / "8 GiB of nothing.mp4"
    with path.open("wb") as file:
        file.write(box(b"ftyp", b"isom", bytes(8)))
        file.truncate(8 * 2**30)
    return str(path)
