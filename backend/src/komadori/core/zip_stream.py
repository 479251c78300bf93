"""ZIP archives as a stream: nothing is held in memory, nothing is written beside it, the size is known ahead.

Files are stored as they are, since pictures do not get smaller. Each is read twice, first for
its checksum: that and the size then stand before its bytes, which readers understand that
take the archive as a stream too. The second time the file comes from the system's cache.
The format is that of PKWARE's APPNOTE 6.3.3; the records of ZIP64 are written only where a
file, a place or a count does not fit without them.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from komadori.core.errors import StorageError

_BLOCK_BYTES = 1 << 18
_MAX_32 = 0xFFFF_FFFF
_MAX_16 = 0xFFFF

_VERSION, _VERSION_64 = 20, 45
_UTF8_NAMES = 0x0800
_STORED = 0
_TIME, _DATE = 0, 0x21
"""Midnight of 1980-01-01: the same files give the same bytes."""

_UNIX = 3 << 8
_REGULAR_FILE = 0o100644 << 16

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_EXTRA_HEADER = struct.Struct("<2H")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive: its relative name there, where it lies, and its bytes as a number."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """A file that was written: what the directory at the end of the archive says of it."""

    name: str
    size: int
    crc: int
    offset: int


def size_of(entries: Sequence[Entry]) -> int:
    """How many bytes the archive of these files has."""
    offset = 0
    places = []
    for entry in entries:
        place = Place(entry.name, entry.size, 0, offset)
        places.append(place)
        offset += len(_local_header(place)) + entry.size
    return offset + len(directory(places, offset))


def stream(entries: Sequence[Entry]) -> Iterator[bytes]:
    """The bytes of the archive, in blocks of a quarter of a MiB or a little more.

    Raises:
        StorageError: A file has changed its size meanwhile.
        OSError: A file cannot be read.
    """
    waiting = bytearray()
    for piece in _pieces(entries):
        waiting += piece
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def directory(places: Sequence[Place], offset: int) -> bytes:
    """What stands at the end of an archive, from ``offset`` on: where each file is."""
    records = b"".join(_central_header(place) for place in places)
    n, size = len(places), len(records)
    end_64 = b""
    if n >= _MAX_16 or size >= _MAX_32 or offset >= _MAX_32:
        sizes = (_END_64.size - 12, _UNIX | _VERSION_64, _VERSION_64, 0, 0, n, n, size, offset)
        end_64 = _END_64.pack(b"PK\6\6", *sizes) + _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
    counts = (min(n, _MAX_16), min(n, _MAX_16), min(size, _MAX_32), min(offset, _MAX_32))
    return records + end_64 + _END.pack(b"PK\5\6", 0, 0, *counts, 0)


def _pieces(entries: Sequence[Entry]) -> Iterator[bytes]:
    offset = 0
    places = []
    for entry in entries:
        with entry.path.open("rb") as file:
            place = Place(entry.name, entry.size, _crc(entry, file), offset)
            header = _local_header(place)
            yield header
            file.seek(0)
            yield from _blocks(entry, file)
        places.append(place)
        offset += len(header) + entry.size
    yield directory(places, offset)


def _crc(entry: Entry, file: BinaryIO) -> int:
    crc = 0
    for block in _blocks(entry, file):
        crc = zlib.crc32(block, crc)
    return crc


def _blocks(entry: Entry, file: BinaryIO) -> Iterator[bytes]:
    """Exactly as many bytes as were announced."""
    left = entry.size
    while block := file.read(_BLOCK_BYTES):
        left -= len(block)
        yield block
    if left:
        raise StorageError(
            f"Expected {entry.path} with {entry.size} bytes, it has {entry.size - left}.",
            hint="The export was changed or written again; ask for the archive anew.",
            code="export-changed",
        )


def _local_header(place: Place) -> bytes:
    name = place.name.encode()
    is_large = place.size >= _MAX_32
    extra = _extra(place.size, place.size) if is_large else b""
    size = min(place.size, _MAX_32)
    version = _VERSION_64 if is_large else _VERSION
    fields = (version, _UTF8_NAMES, _STORED, _TIME, _DATE, place.crc, size, size, len(name), len(extra))
    return _LOCAL.pack(b"PK\3\4", *fields) + name + extra


def _central_header(place: Place) -> bytes:
    name = place.name.encode()
    large = [place.size] * 2 if place.size >= _MAX_32 else []
    if place.offset >= _MAX_32:
        large.append(place.offset)
    extra = _extra(*large) if large else b""
    version = _VERSION_64 if large else _VERSION
    size = min(place.size, _MAX_32)
    kind = (_UNIX | version, version, _UTF8_NAMES, _STORED, _TIME, _DATE)
    lengths = (place.crc, size, size, len(name), len(extra), 0, 0, 0)
    return _CENTRAL.pack(b"PK\1\2", *kind, *lengths, _REGULAR_FILE, min(place.offset, _MAX_32)) + name + extra


def _extra(*values: int) -> bytes:
    """The extra field of ZIP64: those numbers that do not fit into their own places."""
    return _EXTRA_HEADER.pack(1, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values)
