"""The file of an upload that is on its way: bytes are only ever added at its end."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from komadori.core import disk
from komadori.core.errors import InputError

CHECKSUM_ALGORITHMS = ("sha1", "sha256")
WRONG_CHECKSUM = "upload-checksum"

_BLOCK_BYTES = 2**20


def folder_in(home: Path) -> Path:
    """The folder of what is on its way."""
    return home / "uploads"


class Hash(Protocol):
    """A digest that grows, as hashlib makes them."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """What it is now."""


@dataclass(slots=True)
class RunningHash:
    """The SHA-256 of the first ``n_bytes`` of a file, which goes on as more come."""

    digest: Hash
    n_bytes: int = 0

    @staticmethod
    def of_nothing() -> "RunningHash":
        """Of an empty file."""
        return RunningHash(hashlib.sha256())

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self.digest.update(data)
        self.n_bytes += len(data)


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a piece must be: an algorithm, and the digest in bytes."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """The bytes of one upload in a folder; who changes it holds the upload's lock."""

    folder: Path
    upload_id: str

    @property
    def path(self) -> Path:
        """Where the bytes are that have come."""
        return self.folder / f"{self.upload_id}.part"

    @property
    def piece_path(self) -> Path:
        """Where a piece waits until its checksum is known to be right."""
        return self.folder / f"{self.upload_id}.piece"

    @property
    def lock_path(self) -> Path:
        """The lock of who is at work on the upload."""
        return self.folder / f"{self.upload_id}.lock"

    def size_bytes(self) -> int:
        """How many bytes have come."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def sha256(self) -> str:
        """The SHA-256 of what has come; reads it, about a second for each GB."""
        with disk.storage_errors("read an upload"):
            return disk.sha256_of(self.path)

    def remove(self) -> None:
        """Forget all that has come."""
        with disk.storage_errors("remove an upload"):
            self.piece_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)


class Appending:
    """Adds one piece to a file, block by block; what was added stays, whatever ends it.

    Args:
        file: Where to.
        running: Of the file as it is, or None when that is not known; goes on with each block.
    """

    def __init__(self, file: IncomingFile, running: RunningHash | None) -> None:
        self._running = running
        with disk.storage_errors("store an upload"):
            self._file = file.path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, block: bytes) -> None:
        """Add a block.

        Raises:
            StorageError: The disk is full or refuses.
        """
        rest = memoryview(block)
        with disk.storage_errors("store an upload"):
            while rest:
                rest = rest[self._file.write(rest) :]
        if self._running is not None:
            self._running.update(block)

    def finish(self) -> None:
        """Put it on the disk."""
        with disk.storage_errors("store an upload"):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class CheckedAppending:
    """Adds one piece to a file once all of it has come and has its checksum; else none of it.

    It waits in a file of its own. A kill while it is moved costs the rest of it: what was moved is right.
    """

    def __init__(self, file: IncomingFile, running: RunningHash | None, checksum: Checksum) -> None:
        self._target = file
        self._running = running
        self._wanted = checksum
        self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
        with disk.storage_errors("store an upload"):
            self._piece = file.piece_path.open("wb", buffering=0)

    def write(self, block: bytes) -> None:
        """Keep a block until the end.

        Raises:
            StorageError: The disk is full or refuses.
        """
        rest = memoryview(block)
        with disk.storage_errors("store an upload"):
            while rest:
                rest = rest[self._piece.write(rest) :]
        self._digest.update(block)

    def finish(self) -> None:
        """Add the piece.

        Raises:
            InputError: It has another checksum; nothing of it was added.
        """
        if self._digest.digest() != self._wanted.digest:
            raise InputError(
                f"The bytes have another {self._wanted.algorithm} than the request said.",
                hint="Send this piece again, from the same Upload-Offset.",
                code=WRONG_CHECKSUM,
            )
        with Appending(self._target, self._running) as appending, self._target.piece_path.open("rb") as piece:
            while block := piece.read(_BLOCK_BYTES):
                appending.write(block)
            appending.finish()

    def close(self) -> None:
        """Forget the piece."""
        self._piece.close()
        self._target.piece_path.unlink(missing_ok=True)
