"""Files that are wholly there or not at all, and disk errors in our own words."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from komadori.core.errors import StorageError

_BLOCK_BYTES = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


@contextmanager
def storage_errors(purpose: str) -> Iterator[None]:
    """Turn each :class:`OSError` of the block into a :class:`StorageError`.

    Args:
        purpose: What was to be done, as in "store the frame"; it becomes part of the message.
    """
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"Could not {purpose}: {exc.strerror or exc} ({exc.filename or 'no file named'}).",
            hint=_remedy(exc.errno),
            code="disk-full" if exc.errno in _NO_ROOM else None,
        ) from exc


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file, on the disk when this returns."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def move_synced(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target`` on the same filesystem, on the disk when this returns."""
    source.replace(target)
    sync_folder(target.parent)


def sync_file(path: Path) -> None:
    """Put what was written to a file on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk: a rename alone may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """How much may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the filesystem has no hard links.

    Raises:
        FileExistsError: There is something at ``target``; it is left alone.
    """
    try:
        target.hardlink_to(source)
    except OSError as exc:
        if exc.errno not in _NO_LINK:
            raise
        with source.open("rb") as original, target.open("xb") as copy:
            shutil.copyfileobj(original, copy)


def sha256_of(path: Path, check_cancelled: Callable[[], object] = lambda: None) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits; about a second for each GB.

    Args:
        path: The file.
        check_cancelled: Called after each MiB; what it raises ends the reading.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            check_cancelled()
    return digest.hexdigest()


def _remedy(number: int | None) -> str:
    if number in _NO_ROOM:
        return "Free some space on that disk, or raise the quota, and try again."
    if number in _NO_RIGHT:
        return "Give the user that Komadori runs as the right to write there."
    if number == errno.EROFS:
        return "Nothing can be written there; name another place (a container exports to /exports)."
    return "Check that the disk is mounted and healthy and that Komadori may write there, then try again."
