"""Lets one ``komadori up`` at a time use a home."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from komadori.core.disk import storage_errors
from komadori.core.errors import ConflictError


@contextmanager
def locked_home(home: Path, url: str) -> Iterator[None]:
    """Hold the home; the lock ends with the process, whatever ends it.

    Args:
        home: The folder of all data; it exists.
        url: Where the API will listen; others are told.

    Raises:
        ConflictError: Another process holds it.
    """
    path = home / "run" / "up.lock"
    with storage_errors("lock the home"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _acquire(path)
    try:
        with storage_errors("lock the home"):
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "url": url}))
            file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # what a full disk did not take is tried again on closing
            file.close()


def _acquire(path: Path) -> IO[str]:
    """The lock file, held. A file that was removed between opening and locking does not count."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = _holder(path)
            file.close()
            raise ConflictError(
                f"Another `komadori up` {holder}uses the home {path.parent.parent}.",
                hint="Use it as it is, stop it first, or name another folder with --home.",
                code="home-in-use",
            ) from exc
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()


def _holder(path: Path) -> str:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return f"(process {content['pid']}, {content['url']}) "
    except (OSError, ValueError, KeyError, TypeError):
        return ""
