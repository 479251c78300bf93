"""The folder of the demo: only one that it made itself is ever cleared."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from komadori.core.disk import storage_errors
from komadori.core.errors import ConflictError

_MARK = ".komadori-demo"
_SAYS = "The command `komadori demo` made this folder and clears it when it runs again.\n"


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """An empty folder of that path that no other demo uses meanwhile.

    Raises:
        ConflictError: It holds files that no demo made, or another demo is at work in it.
    """
    mark = folder / _MARK
    with storage_errors("prepare the folder of the demo"):
        if folder.exists() and not mark.is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConflictError(
                f"{folder} is there already, and no demo made it.",
                hint="Name a new folder; nothing was changed.",
                code="foreign-folder",
            )
        folder.mkdir(parents=True, exist_ok=True)
        file = mark.open("a", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConflictError(
                f"Another demo is at work in {folder}.",
                hint="Wait until it is done, or name another folder.",
                code="demo-running",
            ) from exc
        with storage_errors("clear the folder of the demo"):
            file.truncate(0)
            file.write(_SAYS)
            file.flush()
            _clear(folder)
        yield folder


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == _MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
