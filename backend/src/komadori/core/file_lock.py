"""Locks between processes that end with the process that holds them, whatever ended it."""

import fcntl
import os
import stat
from pathlib import Path

from komadori.core.disk import storage_errors

_RECORD_BYTES = 512


class FileLock:
    """One exclusive lock on a file that stays, see flock(2).

    The file is opened anew for each attempt: a lock belongs to an open file, so one that was kept
    open would be shared with forked children, and would be worth nothing once somebody removed the
    file. The file may be locked by every user who may write to its folder.

    Args:
        path: The lock's file, in a folder that exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it, neither another process nor this one; 10 us.

        Raises:
            StorageError: The file cannot be opened or made.
        """
        with storage_errors("take a lock"):
            descriptor = _open(self.path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let others have the lock; nothing happens without it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def write_record(self, text: str) -> None:
        """Say in the file who has the lock, in a few hundred ASCII characters.

        A full disk is no reason to stop: the lock holds without the record.
        """
        assert self._descriptor is not None, "only who has the lock may say so"
        record = text.encode("ascii", "replace")[:_RECORD_BYTES].ljust(_RECORD_BYTES)
        try:
            os.pwrite(self._descriptor, record, 0)
        except OSError:
            return

    def read_record(self) -> str | None:
        """What the one who has the lock wrote, or None when nobody has it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(descriptor, _RECORD_BYTES, 0).decode("ascii", "replace").strip()
        else:
            return None
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether anybody has the lock."""
        return self.read_record() is not None


def lock_folder(root: Path) -> Path:
    """The folder for locks in ``root``; who may write to the root may lock, whatever the umask.

    Raises:
        StorageError: It cannot be made.
    """
    folder = root / ".locks"
    with storage_errors("make the folder for locks"):
        root.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            folder.chmod(stat.S_IMODE(root.stat().st_mode))
    return folder


def _open(path: Path) -> int:
    """A descriptor of the file, which is made with the rights of its folder where it is missing."""
    flags = os.O_RDWR | os.O_CLOEXEC
    while True:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            try:
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue  # another process was faster
            os.fchmod(descriptor, path.parent.stat().st_mode & 0o666)
            return descriptor
