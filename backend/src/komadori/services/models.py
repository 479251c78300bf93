"""Fetches checkpoints as jobs: one job for each model, however many ask for it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from komadori.core.attended import attended
from komadori.core.errors import InputError, ModelError, PermanentStorageError, StorageError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, Job, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import projects
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.ml.catalogue import HubSource, parse_source, spec_of
from komadori.ml.checkpoints import LocalModel, TransferProgress
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, submit

KIND = "models.pull"

_MIB = 1 << 20
_LOCK_LOOK_S = 0.5
_LOCK_PATIENCE_S = 5.0
_TOKEN_CODES = {"model-token-needed", "model-token-refused", "model-access-denied"}


class Store(Protocol):
    """What fetching needs of the checkpoints of this machine."""

    def pull(self, source: str, *, progress: TransferProgress, update: bool) -> LocalModel:
        """Fetch a checkpoint unless it is here; goes on with a download that was cut."""

    def is_being_fetched(self, source: str) -> bool:
        """Whether another process has a download of it in hand."""


def hub_source(source: str) -> HubSource | None:
    """The model on the hub that a setting or a request names; None for a folder.

    Raises:
        ModelError: It names neither.
    """
    parsed = parse_source(source)
    return None if isinstance(parsed, Path) else parsed


def request_pull(ctx: Context, source: str, *, update: bool = False) -> Job:
    """Queue the download of a model; who asks for the same one meanwhile gets the same job.

    Args:
        ctx: The ports.
        source: A registered name, "org/name", either with "@revision".
        update: Ask the hub which commit is the newest now, and repair what is damaged.

    Raises:
        ModelError: It names no model.
        InputError: It names a folder, of which there is nothing to fetch.
    """
    model = hub_source(source)
    if model is None:
        raise InputError(
            f"Expected the name of a model on the hub, got the folder {source}.",
            hint="A folder is used as it is: set KOMADORI_EMBEDDER or KOMADORI_SEGMENTER to its path.",
            code="nothing-to-pull",
        )
    payload: dict[str, object] = {"source": str(model), "update": update}
    spec = spec_of(model.model_id)
    total = max(1, (spec.approx_bytes if spec else 0) // _MIB)
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
    chunk = NewChunk(KIND, Queue.DEFAULT, payload, total)
    return submit(ctx, KIND, project_id, payload, [chunk], is_unique=True)


def newest_pull(ctx: Context, model: HubSource) -> Job | None:
    """The last job that was to fetch a model, however it stands."""
    with ctx.sessions.read() as session:
        return job_rows.newest(session, KIND, {"source": str(model)})


def open_pulls(ctx: Context) -> dict[str, Job]:
    """The downloads that have not ended, by the id of their model on the hub."""
    with ctx.sessions.read() as session:
        found = job_rows.live(session, KIND)
    return {str(job.parameters["source"]).partition("@")[0]: job for job in found}


def run_pull(ctx: Context, store: Store, chunk: Chunk, progress: Progress, *, slice_s: float) -> ChunkResult:
    """Fetch a model for about ``slice_s``; a longer download is left unfinished, and gone on with later.

    Items are MiB. What was fetched is kept whatever ends the work.

    Raises:
        HubError: The hub does not answer; worth another attempt.
        ModelError: No access, no such model, a wrong checksum.
        PermanentStorageError: The disk is full.
    """
    source, update = str(chunk.payload["source"]), bool(chunk.payload["update"])

    def set_total(n_mib: int) -> None:
        with ctx.sessions.write() as session:
            chunk_rows.set_total(session, chunk, n_mib)

    transfer = _Transfer(chunk, progress, set_total, slice_s)
    if not _is_free(store, source, progress):
        return ChunkResult(Counts(done=chunk.done), is_unfinished=True)
    try:
        # The hub may hold its peace for half a minute, and a person who cancels should not have to wait.
        model = attended(
            lambda: store.pull(source, progress=transfer, update=update), progress.check_cancelled
        )
    except _SliceEnd:
        return ChunkResult(Counts(done=transfer.done_mib), is_unfinished=True)
    except ModelError as error:
        raise _for_the_worker(error) from error
    except StorageError as error:
        if error.code == "disk-full":  # a second attempt at once finds it just as full
            raise PermanentStorageError(error.message, hint=error.hint, code=error.code) from error
        raise
    found = {"model": f"{model.model_id}@{model.revision}", "folder": str(model.directory)}
    return ChunkResult(
        Counts(done=transfer.total_mib),
        write=lambda session: job_rows.set_result(session, chunk.job_id, **found),
    )


def _is_free(store: Store, source: str, progress: Progress) -> bool:
    """Whether nobody else fetches the model; a download in another process is given a moment."""
    until = time.monotonic() + _LOCK_PATIENCE_S
    while store.is_being_fetched(source):
        progress.check_cancelled()
        if time.monotonic() > until:
            return False
        time.sleep(_LOCK_LOOK_S)
    return True


def _for_the_worker(error: ModelError) -> ModelError:
    """The error, with where the token must be set: the person who reads it is elsewhere."""
    if error.code not in _TOKEN_CODES:
        return error
    hint = (
        f"{error.hint} The worker for the queue default fetches it: start that with the token in "
        "HF_TOKEN, or fetch in your own shell with `komadori models pull NAME --here`."
    )
    return type(error)(error.message, hint=hint, code=error.code)


class _SliceEnd(Exception):  # noqa: N818  (it is no error)
    """The time is up; the rest is fetched later."""


class _Transfer:
    """Tells a job in MiB what a download says in bytes, and ends it when its time is up.

    The time counts from the first byte that comes over the network, so that each slice brings
    some: reading again what an earlier one has brought may take longer than a slice.
    """

    def __init__(
        self, chunk: Chunk, progress: Progress, set_total: Callable[[int], None], slice_s: float
    ) -> None:
        self.total_mib = chunk.total
        self.done_mib = chunk.done
        self._progress = progress
        self._set_total = set_total
        self._slice_s = slice_s
        self._until_s: float | None = None
        self._last = (0, "")

    def update(self, bytes_done: int, bytes_total: int, file: str) -> None:
        """Count; a file of which a second piece comes is being fetched, not found and read."""
        total_mib = max(1, -(-bytes_total // _MIB))
        if total_mib != self.total_mib:
            self.total_mib = total_mib
            self._set_total(total_mib)
        done_mib = total_mib if bytes_done == bytes_total else bytes_done // _MIB
        if done_mib > self.done_mib:
            self._progress.advance(done_mib - self.done_mib)
            self.done_mib = done_mib
        last_bytes, last_file = self._last
        self._last = (bytes_done, file)
        if file == last_file and bytes_done > last_bytes:
            self._end_slice()

    def check_cancelled(self) -> None:
        """Stop where the job was cancelled."""
        self._progress.check_cancelled()

    def _end_slice(self) -> None:
        now = time.monotonic()
        if self._until_s is None:
            self._until_s = now + self._slice_s
        elif now > self._until_s:
            raise _SliceEnd
