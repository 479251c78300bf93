"""The port for large bytes: frames, thumbnails."""

from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Holds bytes under keys such as ``frames/ab/abcd/0_1024.jpg``.

    Keys are relative POSIX paths without ``..``. A key is either wholly there or not
    at all, also after a crash.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store ``data``, in place of what the key had."""

    def adopt(self, key: str, path: Path) -> None:
        """Take over the file at ``path``, which is gone from there afterwards."""

    def get(self, key: str) -> bytes:
        """The bytes of a key.

        Raises:
            NotFoundError: There is no such key.
        """

    def local_path(self, key: str) -> Path:
        """A file on this machine with the bytes of the key; do not change it.

        Raises:
            NotFoundError: There is no such key.
        """

    def exists(self, key: str) -> bool:
        """Whether the key is there."""

    def delete(self, key: str) -> None:
        """Forget the key; an unknown one is ignored."""

    def scratch(self) -> Path:
        """A new empty folder from which ``adopt`` is cheap; the caller removes it."""
