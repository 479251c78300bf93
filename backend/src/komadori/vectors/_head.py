"""The head of an index: one small record that says which of the bytes on the disk count.

To publish is to write this record. There are two places for it, used in turn; the one
with a right checksum and the higher sequence number holds. A write that is cut short
therefore leaves the record before it in force, and nothing has to be repaired.
"""

import mmap
import os
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from komadori.core.disk import sync_folder
from komadori.core.errors import ConflictError, PermanentStorageError
from komadori.vectors._filesystem import durable, write_all

FORMAT_VERSION = 1

_MAGIC = b"komadori"
_FIELDS = struct.Struct("<8sIIIIQQQQ")
_CHECKSUM = struct.Struct("<I")
_PLACE_BYTES = 512  # one sector each, so that no write touches both
_READ_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Head:
    """What is published.

    Attributes:
        dim: Components of each vector.
        segment_rows: Rows of each segment file.
        sequence: Grows by one with each publication.
        generation: Which log file counts.
        n_records: How many records of that log count.
        next_slot: The first slot that has never been published; slots are not used again.
    """

    dim: int
    segment_rows: int
    sequence: int = 0
    generation: int = 0
    n_records: int = 0
    next_slot: int = 0


class HeadFile:
    """The file with the two places, mapped: to look whether anything is new costs a microsecond."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != 2 * _PLACE_BYTES:
                raise _damaged(path)
            self._map = mmap.mmap(file.fileno(), 2 * _PLACE_BYTES, prot=mmap.PROT_READ)

    def read(self) -> Head:
        """The record in force.

        Raises:
            ConflictError: Another release wrote the file in a format that this one does not know.
            StorageError: Neither place holds a whole record.
        """
        for _ in range(_READ_ATTEMPTS):  # a writer may be at one place, and then at the other
            heads = [_unpack(self._map[at : at + _PLACE_BYTES], self._path) for at in (0, _PLACE_BYTES)]
            valid = [head for head in heads if head is not None]
            if valid:
                return max(valid, key=lambda head: head.sequence)
        raise _damaged(self._path)

    def publish(self, head: Head) -> None:
        """Put ``head`` in force with the next sequence number, and on the disk."""
        following = replace(head, sequence=head.sequence + 1)
        with durable(self._path) as descriptor:
            write_all(descriptor, _pack(following), following.sequence % 2 * _PLACE_BYTES)


def create(path: Path, head: Head) -> None:
    """Make the file, wholly or not at all; the caller holds the writers' lock."""
    temporary = path.with_name(f"{path.name}.tmp")
    with durable(temporary, create=True) as descriptor:
        os.ftruncate(descriptor, 2 * _PLACE_BYTES)
        write_all(descriptor, _pack(head), head.sequence % 2 * _PLACE_BYTES)
    temporary.rename(path)
    sync_folder(path.parent)


def _pack(head: Head) -> bytes:
    fields = _FIELDS.pack(
        _MAGIC, FORMAT_VERSION, head.dim, head.segment_rows, 0,
        head.sequence, head.generation, head.n_records, head.next_slot,
    )  # fmt: skip
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def _unpack(place: bytes, path: Path) -> Head | None:
    fields = place[: _FIELDS.size]
    if _CHECKSUM.unpack_from(place, _FIELDS.size)[0] != zlib.crc32(fields) or not fields.startswith(_MAGIC):
        return None
    _, version, dim, segment_rows, _, sequence, generation, n_records, next_slot = _FIELDS.unpack(fields)
    if version != FORMAT_VERSION:
        raise ConflictError(
            f"The vector index at {path.parent} has format {version}, this release reads {FORMAT_VERSION}.",
            hint="Use the release that wrote it, or remove the folder and embed the frames again.",
            code="index-format",
        )
    return Head(dim, segment_rows, sequence, generation, n_records, next_slot)


def _damaged(path: Path) -> PermanentStorageError:
    return PermanentStorageError(
        f"Expected the head of a vector index at {path}, found no whole record.",
        hint="Restore the folder from a backup, or remove it and embed the frames again.",
        code="index-damaged",
    )
