"""Sends a file to an API on another machine, piece by piece; the same again goes on where it stopped."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from komadori.cli import output
from komadori.cli.answers import Upload
from komadori.cli.client import ApiClient, ApiError
from komadori.core import disk
from komadori.core.errors import DependencyError, InputError, KomadoriError

PIECE_BYTES = 64 * 2**20
"""After each the server has everything on its disk; a lost connection costs less than that."""

_BLOCK_BYTES = 2**20
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Before the attempts that follow one which brought nothing."""

_WORTH_ANOTHER = frozenset({"upload-offset", "upload-busy", "storage-failed", "database-locked"})


class Display(Protocol):
    """Shows how far a file is."""

    def show(self, what: str, n_bytes: int, total: int) -> None:
        """Show it."""


class _NoDisplay:
    def show(self, what: str, n_bytes: int, total: int) -> None:
        """Do nothing."""


class _Bar:
    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._task = progress.add_task("", total=None)

    def show(self, what: str, n_bytes: int, total: int) -> None:
        """Move the bar."""
        self._progress.update(
            self._task, description=f"{what:<9}{self._name}", completed=n_bytes, total=total
        )


def upload(api: ApiClient, path: Path, *, piece_bytes: int = PIECE_BYTES) -> str:
    """Send a file, or what is missing of it: the id of its whole upload.

    The file is read twice: once for its SHA-256, by which the server finds what it has of it already.

    Raises:
        InputError: It cannot be read, or was written to meanwhile.
        DependencyError: The API does not answer; what was sent is kept there.
        ApiError: The API refuses it.
    """
    try:
        with _shown(path.name) as display:
            return _Sending(api, path, display, piece_bytes).run()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Check the path and the file's permissions.",
            code="unreadable-file",
        ) from error


class _Sending:
    def __init__(self, api: ApiClient, path: Path, display: Display, piece_bytes: int) -> None:
        self._api = api
        self._path = path
        self._display = display
        self._piece_bytes = piece_bytes
        self._stamp = _stamp(path)
        self._size_bytes = self._stamp[0]

    def run(self) -> str:
        """Send it."""
        sha256 = self._sha256()
        known = [found for found in self._api.uploads(sha256) if found.size_bytes == self._size_bytes]
        upload = max(known, key=lambda found: found.offset, default=None)
        if upload is None:
            upload = self._api.create_upload(self._path.name, self._size_bytes, sha256)
        self._send(upload)
        return upload.id

    def _sha256(self) -> str:
        n_read = 0

        def count() -> None:
            nonlocal n_read
            n_read = min(n_read + _BLOCK_BYTES, self._size_bytes)
            self._display.show("reading", n_read, self._size_bytes)

        return disk.sha256_of(self._path, count)

    def _send(self, upload: Upload) -> None:
        offset, n_failures = upload.offset, 0
        while offset < self._size_bytes:
            self._check_unchanged()
            try:
                offset, n_failures = self._send_piece(upload.id, offset), 0
            except (ApiError, DependencyError) as error:
                if not _may_pass(error) or n_failures == len(_PAUSES_S):
                    raise _with_way_on(error, offset) from error
                time.sleep(_PAUSES_S[n_failures])
                n_failures += 1
                reached = self._reached(upload.id, offset)
                offset, n_failures = reached, 0 if reached > offset else n_failures
        self._display.show("sent", self._size_bytes, self._size_bytes)

    def _send_piece(self, upload_id: str, offset: int) -> int:
        n_bytes = min(self._piece_bytes, self._size_bytes - offset)
        return self._api.send_piece(upload_id, offset, self._blocks(offset, n_bytes), n_bytes)

    def _blocks(self, offset: int, n_bytes: int) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(offset)
            end = offset + n_bytes
            while offset < end and (block := file.read(min(_BLOCK_BYTES, end - offset))):
                yield block
                offset += len(block)
                self._display.show("sending", offset, self._size_bytes)

    def _reached(self, upload_id: str, offset: int) -> int:
        """How far the server is by now; as far as we know while it does not answer."""
        try:
            return self._api.upload(upload_id).offset
        except DependencyError:
            return offset

    def _check_unchanged(self) -> None:
        if _stamp(self._path) != self._stamp:
            raise InputError(
                f"{self._path} was written to while it was being sent.",
                hint="Wait until the recording or the copy is finished, then add it again.",
                code="file-still-written",
            )


def _shown(name: str) -> AbstractContextManager[Display]:
    if not output.is_watched():
        return nullcontext(_NoDisplay())
    return _ShownBar(name)


class _ShownBar:
    def __init__(self, name: str) -> None:
        self._name = name
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=output.console(stderr=True),
        )

    def __enter__(self) -> Display:
        self._progress.start()
        return _Bar(self._progress, self._name)

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()


def _may_pass(error: KomadoriError) -> bool:
    return isinstance(error, DependencyError) or error.code in _WORTH_ANOTHER


def _with_way_on(error: KomadoriError, offset: int) -> KomadoriError:
    """The error, with what has become of the bytes."""
    if not _may_pass(error) and error.code != "disk-full":
        return error
    hint = f"{error.hint} {output.size(offset)} are there: the same command again goes on from there."
    return type(error)(error.message, hint=hint.strip(), code=error.code)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
