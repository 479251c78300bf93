"""Bytes in a local folder.

Each file is written to its end under another name and then renamed, so a reader in
any process, and the next start after a crash, sees all of it or nothing.
"""

import errno
import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from komadori.core import disk, process_names
from komadori.core.errors import InputError, NotFoundError
from komadori.storage.base import BlobStore

_SCRATCH = ".scratch"
_AFTER_OWNER = "~"
_STALE_AFTER_S = 24 * 3600.0
_SEGMENT = re.compile(r"[\w@+=-][\w@+=.-]{0,199}", re.ASCII)
_MAX_KEY_LENGTH = 1024


def create(root: Path) -> BlobStore:
    """A store in the folder ``root``, which is made when it is not there.

    What crashed processes left unfinished is removed: at once when they were of this machine, else
    when it is more than a day old.

    Raises:
        StorageError: The folder cannot be made or written to.
    """
    scratch = root / _SCRATCH
    with disk.storage_errors(f"open the store in {root}"):
        scratch.mkdir(parents=True, exist_ok=True)
        _remove_stale(scratch)
    return LocalStore(root)


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A :class:`~komadori.storage.base.BlobStore` in a folder of a local filesystem."""

    root: Path

    def put(self, key: str, data: bytes) -> None:
        """Store ``data``, in place of what the key had; durable when this returns.

        Raises:
            InputError: The key is not one.
            StorageError: The disk is full or refuses.
        """
        target = self._path(key)
        with disk.storage_errors(f"store {key!r}"):
            temporary = self._new_scratch_name()
            try:
                disk.write_synced(temporary, data)
                _move(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)

    def adopt(self, key: str, path: Path) -> None:
        """Take over the regular file at ``path``: a rename, or a copy from another filesystem.

        Raises:
            InputError: The key is not one, or ``path`` is no regular file.
            StorageError: The disk is full or refuses; then ``path`` is still there.
        """
        target = self._path(key)
        if path.is_symlink() or not path.is_file():
            raise InputError(
                f"Expected a regular file to store as {key!r}, got {path}.",
                hint="Write the file first, and give its own path, not a link to it.",
            )
        with disk.storage_errors(f"store {key!r}"):
            disk.sync_file(path)
            try:
                _move(path, target)
            except OSError as exc:
                if exc.errno != errno.EXDEV:
                    raise
                self._adopt_from_elsewhere(path, target)

    def get(self, key: str) -> bytes:
        """The bytes of a key.

        Raises:
            NotFoundError: There is no such key.
        """
        path = self._path(key)
        with disk.storage_errors(f"read {key!r}"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
                raise _no_such_key(key) from exc

    def local_path(self, key: str) -> Path:
        """The file itself; do not change it.

        Raises:
            NotFoundError: There is no such key.
        """
        path = self._path(key)
        if not path.is_file():
            raise _no_such_key(key)
        return path

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """Forget the key; an unknown one is ignored."""
        path = self._path(key)
        with disk.storage_errors(f"delete {key!r}"):
            if path.is_file():
                path.unlink(missing_ok=True)

    def scratch(self) -> Path:
        """A new empty folder on the same filesystem, from which ``adopt`` is a rename."""
        with disk.storage_errors("make a scratch folder"):
            return Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=self.root / _SCRATCH))

    def _path(self, key: str) -> Path:
        segments = key.split("/")
        if len(key) > _MAX_KEY_LENGTH or not all(map(_SEGMENT.fullmatch, segments)):
            raise InputError(
                f"Expected a relative key such as 'frames/ab/0_1024.jpg', got {key!r}.",
                hint="Join names of ASCII letters, digits and _ @ + = . - by '/', none with a leading dot.",
                code="invalid-key",
            )
        return self.root.joinpath(*segments)

    def _new_scratch_name(self) -> Path:
        return self.root / _SCRATCH / f"{_own_prefix()}{uuid.uuid4().hex}"

    def _adopt_from_elsewhere(self, path: Path, target: Path) -> None:
        temporary = self._new_scratch_name()
        try:
            shutil.copyfile(path, temporary)
            disk.sync_file(temporary)
            _move(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        path.unlink()


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.move_synced(source, target)


def _own_prefix() -> str:
    """How the names of what this process writes begin."""
    return f"{process_names.as_file_name(process_names.own_name())}{_AFTER_OWNER}"


def _remove_stale(scratch: Path) -> None:
    """What a dead process left, or one on another machine: a folder in use is young, each file renews it."""
    oldest_s = time.time() - _STALE_AFTER_S
    for path in scratch.iterdir():
        owner = process_names.from_file_name(path.name.partition(_AFTER_OWNER)[0])
        try:
            is_stale = process_names.is_gone(owner) or path.lstat().st_mtime < oldest_s
        except FileNotFoundError:  # another process was faster
            continue
        if is_stale and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif is_stale:
            path.unlink(missing_ok=True)


def _no_such_key(key: str) -> NotFoundError:
    return NotFoundError(
        f"There is nothing stored under {key!r}.",
        hint="Check that the data folder is the one that the database belongs to.",
        code="no-such-key",
    )
