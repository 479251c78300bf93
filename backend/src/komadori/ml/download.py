"""Fetches a checkpoint so that it is either wholly there, verified, or not there at all.

The files gather in a hidden folder beside the target; the manifest is written last and the
folder is renamed into place. Whatever stops a download, what was fetched is used by the next.
"""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from komadori.core.disk import move_synced, sha256_of, sync_file
from komadori.core.errors import ModelError, StorageError
from komadori.ml.catalogue import adapter_for
from komadori.ml.hub import Hub, HubFile
from komadori.ml.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    read_model_type,
    size_of,
    write_manifest,
)

RESERVE_BYTES = 256 << 20
"""What a download leaves free on the disk."""

_PLAIN_SUFFIXES = {".json", ".txt", ".model"}
_PLAIN_NAMES = {"LICENSE"}
_WEIGHTS = "model.safetensors"


class TransferProgress(Protocol):
    """Receives how far a download has come; calls are frequent."""

    def update(self, bytes_done: int, bytes_total: int, file: str) -> None:
        """Report the bytes of the whole model that are there, and the file being fetched."""

    def check_cancelled(self) -> None:
        """Raise :class:`~komadori.core.progress.Cancelled` when the download should stop."""


class NoTransferProgress:
    """Ignores what it is told."""

    def update(self, bytes_done: int, bytes_total: int, file: str) -> None:
        """Do nothing."""

    def check_cancelled(self) -> None:
        """Do nothing."""


def staging_folder(target: Path) -> Path:
    """Where the files of ``target`` gather while they are fetched."""
    return target.with_name(f".{target.name}.partial")


def fetch_checkpoint(
    hub: Hub,
    model_id: str,
    target: Path,
    progress: TransferProgress,
    free_bytes: Callable[[Path], int],
) -> Manifest:
    """Fetch the commit that ``target`` is named after into it, and return what it holds.

    The caller holds the lock of the model. Reads every byte once more to verify it.

    Raises:
        ModelError: No access, no safetensors, a wrong checksum or a type that nothing runs.
        HubError: The hub does not answer.
        StorageError: The disk is full or cannot be written.
    """
    files = select_files(model_id, hub.files(model_id, target.name))
    staging = staging_folder(target)
    staging.mkdir(parents=True, exist_ok=True)
    _require_space(files, staging, free_bytes)
    total = sum(file.size for file in files)
    kept: list[ManifestFile] = []
    done = 0
    for file in files:

        def report(file_bytes: int, before: int = done, name: str = file.name) -> None:
            progress.update(before + file_bytes, total, name)

        kept.append(_fetch(hub, model_id, target.name, file, staging, report, progress.check_cancelled))
        done += file.size
        if file.name == "config.json":
            adapter_for(read_model_type(staging), f"config.json of {model_id}")
    return _publish(model_id, staging, target, kept)


def select_files(model_id: str, files: list[HubFile]) -> list[HubFile]:
    """The files of a repository that loading it needs, config.json first and weights last.

    Only safetensors, JSON and text are taken: pickles (.bin, .pt, .pkl) can run code.

    Raises:
        ModelError: A name would leave the folder, or there is no config.json or safetensors.
    """
    for file in files:
        _require_plain_name(model_id, file.name)
    plain = [f for f in files if f.name in _PLAIN_NAMES or PurePosixPath(f.name).suffix in _PLAIN_SUFFIXES]
    weights = [f for f in files if f.name == _WEIGHTS] or [
        f for f in files if f.name.startswith("model-") and f.name.endswith(".safetensors")
    ]
    if not weights or not any(f.name == "config.json" for f in plain):
        raise ModelError(
            f"Expected config.json and {_WEIGHTS} in {model_id}, got {', '.join(f.name for f in files)}.",
            hint="Use a model that is published as safetensors in the layout of transformers; "
            "pickled weights (.bin, .pt) can run code and are never loaded.",
            code="no-safetensors",
        )
    plain = [f for f in plain if f.name != MANIFEST_NAME]
    return sorted(plain, key=lambda f: (f.name != "config.json", f.name)) + weights


@contextmanager
def locked(path: Path, check_cancelled: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file at ``path``; waits for the process that has it, alive or until it dies."""
    with path.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check_cancelled()
                time.sleep(0.1)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file at ``path`` now."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _require_plain_name(model_id: str, name: str) -> None:
    if name in {"", ".", ".."} or "/" in name or "\\" in name or not name.isprintable():
        raise ModelError(
            f"Expected plain file names in {model_id}, got {name!r}, which would leave the model's folder.",
            hint="Do not use this model; tell the owner of the hub.",
            code="unsafe-file-name",
        )


def _require_space(files: list[HubFile], staging: Path, free_bytes: Callable[[Path], int]) -> None:
    there = sum(
        min(file.size, max(size_of(staging / file.name) or 0, size_of(_part(staging, file)) or 0))
        for file in files
    )
    needed = sum(file.size for file in files) - there + RESERVE_BYTES
    free = free_bytes(staging)
    if free < needed:
        raise StorageError(
            f"Expected {needed / 1e9:.2f} GB free for {staging.parent}, got {free / 1e9:.2f} GB.",
            hint="Free some space, or set KOMADORI_MODELS to a folder on a larger disk.",
            code="disk-full",
        )


def _fetch(
    hub: Hub,
    model_id: str,
    commit: str,
    file: HubFile,
    staging: Path,
    on_bytes: Callable[[int], None],
    check_cancelled: Callable[[], None],
) -> ManifestFile:
    """Bring one file, verified, into the staging folder."""
    final, part = staging / file.name, _part(staging, file)
    if size_of(final) == file.size:
        final.replace(part)  # from an earlier attempt: verified again below
    resumed = bool(size_of(part))
    hub.download(model_id, commit, file, part, on_bytes)
    sha256 = sha256_of(part, check_cancelled)
    if not file.matches(part, sha256) and resumed:
        part.unlink()
        hub.download(model_id, commit, file, part, on_bytes)
        sha256 = sha256_of(part, check_cancelled)
    if not file.matches(part, sha256):
        part.unlink()
        raise ModelError(
            f"Expected {file.name} of {model_id} with checksum {file.sha256 or file.git_oid}, "
            f"got other contents ({sha256}); the file was removed.",
            hint="Run the same command again; if it comes again, a proxy on the way changes the file.",
            code="checksum-mismatch",
        )
    sync_file(part)
    move_synced(part, final)
    on_bytes(file.size)
    return ManifestFile(file.name, file.size, sha256)


def _publish(model_id: str, staging: Path, target: Path, kept: list[ManifestFile]) -> Manifest:
    expected = {file.name for file in kept} | {MANIFEST_NAME}
    for left_over in staging.iterdir():
        if left_over.is_dir():
            shutil.rmtree(left_over)
        elif left_over.name not in expected:
            left_over.unlink()
    adapter = adapter_for(read_model_type(staging), f"config.json of {model_id}")
    manifest = Manifest(model_id, target.name, adapter, tuple(kept))
    write_manifest(staging, manifest)
    move_synced(staging, target)
    return manifest


def _part(staging: Path, file: HubFile) -> Path:
    return staging / f"{file.name}.part"
