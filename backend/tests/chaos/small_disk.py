"""A small file system that can be filled to the last byte.

It is mounted in a mount namespace of this process and its children alone, so it goes with the last of
them, however they end, and shows which processes belong to the run.
"""

import ctypes
import os
from pathlib import Path

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_BLOCK = b"\0" * (1 << 20)


class SmallDisk:
    """A file system of ``megabytes`` at ``folder``; see :func:`mount`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Take what is left of it."""
        with (self.folder / ".filler").open("wb", buffering=0) as file:
            for size in (len(_BLOCK), 4096, 1):
                try:
                    while True:
                        file.write(_BLOCK[:size])
                except OSError:
                    continue

    def free(self) -> None:
        """Give it back."""
        (self.folder / ".filler").unlink(missing_ok=True)


def mount(folder: Path, megabytes: int) -> SmallDisk:
    """A new small disk at an empty folder.

    Raises:
        OSError: This process may not mount.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.unshare, _CLONE_NEWNS)
    _call(libc.mount, b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    size = f"size={megabytes}m,mode=0755".encode()
    _call(libc.mount, b"komadori-chaos", os.fsencode(folder), b"tmpfs", 0, size)
    return SmallDisk(folder)


def _call(function: "ctypes._FuncPointer", *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
