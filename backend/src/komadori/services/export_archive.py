"""The folder of a finished export as one ZIP archive."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from komadori.core import disk, zip_stream
from komadori.core.errors import ConflictError, NotFoundError
from komadori.core.types import Job, JobState
from komadori.core.zip_stream import Entry
from komadori.db.repositories import jobs
from komadori.services import export
from komadori.services.context import Context


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is not made yet: its file name, and what goes into it under which names."""

    name: str
    entries: Sequence[Entry]

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return zip_stream.size_of(self.entries)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes; files are read as they are asked for."""
        return zip_stream.stream(self.entries)


def archive(ctx: Context, job_id: int) -> Archive:
    """The archive of an export, with exactly the files that its manifest names.

    Raises:
        NotFoundError: There is no such job, or it is no export.
        ConflictError: It has not ended well, or its folder holds something else by now.
        StorageError: The folder cannot be read.
    """
    with ctx.sessions.read() as session:
        job = jobs.get(session, job_id)
    if job.kind != export.KIND:
        raise NotFoundError(
            f"Job {job_id} is no export, but {job.kind}.", hint="`komadori jobs` lists the exports."
        )
    if job.state is not JobState.DONE:
        raise ConflictError(
            f"Expected an export that is done, job {job_id} is {job.state}.",
            hint="Wait until it has ended, or export again.",
            code="export-not-done",
        )
    directory = Path(job.result["directory"])
    with disk.storage_errors(f"read the export in {directory}"):
        try:
            entries = [_entry(directory, name) for name in _names(job, directory)]
        except FileNotFoundError as error:
            raise _gone(job, directory) from error
    return Archive(f"{directory.name}.zip", entries)


def _names(job: Job, directory: Path) -> list[str]:
    """The files of the dataset, that which says what it is first."""
    manifest = (directory / export.MARK).read_bytes()
    if hashlib.sha256(manifest).hexdigest() != job.result.get("manifest_sha256"):
        raise _gone(job, directory)
    return [export.MARK, *json.loads(manifest)["files"]]


def _entry(directory: Path, name: str) -> Entry:
    path = directory / name
    return Entry(name, path, path.stat().st_size)


def _gone(job: Job, directory: Path) -> ConflictError:
    return ConflictError(
        f"Expected the export of job {job.id} in {directory}, it is there no longer as it was.",
        hint="It was moved or changed, or another export has taken its place. Export again.",
        code="export-gone",
    )
