"""The folder of a finished export as one ZIP archive."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from komadori.core import disk, zip_stream
from komadori.core.errors import ConflictError, NotFoundError
from komadori.core.types import Job, JobState, JsonDict
from komadori.core.zip_stream import Entry
from komadori.db.repositories import jobs
from komadori.services import export
from komadori.services.context import Context


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is not made yet: of which export, and what goes into it under which names."""

    job: Job
    directory: Path
    entries: Sequence[Entry]

    @property
    def name(self) -> str:
        """A name for its file."""
        return f"{self.directory.name}.zip"

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return zip_stream.size_of(self.entries)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes; files are read as they are asked for.

        Raises:
            ConflictError: Another export has taken the place of this one meanwhile. The end is
                never given then, so that nobody takes a mixture of both for a dataset.
        """
        last = b""
        for block in zip_stream.stream(self.entries):
            yield last
            last = block
        _read_manifest(self.job, self.directory)
        yield last


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
    manifest = _read_manifest(job, directory)
    with _gone_when_missing(job, directory):
        entries = [_entry(directory, name) for name in (export.MARK, *manifest["files"])]
    return Archive(job, directory, entries)


def _read_manifest(job: Job, directory: Path) -> JsonDict:
    """What the folder says of itself, if it still is what this job wrote."""
    with _gone_when_missing(job, directory):
        data = (directory / export.MARK).read_bytes()
    if hashlib.sha256(data).hexdigest() != job.result.get("manifest_sha256"):
        raise _gone(job, directory)
    manifest: JsonDict = json.loads(data)
    return manifest


@contextmanager
def _gone_when_missing(job: Job, directory: Path) -> Iterator[None]:
    with disk.storage_errors(f"read the export in {directory}"):
        try:
            yield
        except FileNotFoundError as error:
            raise _gone(job, directory) from error


def _entry(directory: Path, name: str) -> Entry:
    path = directory / name
    return Entry(name, path, path.stat().st_size)


def _gone(job: Job, directory: Path) -> ConflictError:
    return ConflictError(
        f"Expected the export of job {job.id} in {directory}, it is there no longer as it was.",
        hint="It was moved or changed, or another export has taken its place. Export again.",
        code="export-gone",
    )
