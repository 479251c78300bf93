"""Runs chunks so that none is lost and none is committed twice.

The database holds the truth. A worker claims a chunk, renews its lease from a thread
while it works, and commits the results and the chunk's end in one transaction that is
fenced by the ownership. Whatever dies, the lease runs out and :func:`reap` takes the chunk
back, see :mod:`~komadori.services.lost_chunks`.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from komadori.core.errors import KomadoriError
from komadori.core.progress import Cancelled, Progress
from komadori.core.types import Chunk, Job, JobState, Priority, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import workers as worker_rows
from komadori.db.repositories.chunks import Counts, Issue, NewChunk
from komadori.services import lost_chunks
from komadori.services.context import Context

_HINTS_AHEAD = 16
"""How many chunks of a queue are announced at a time; who finishes one announces the next."""

_HINT_STALE_S = 60.0
"""After so long a hint counts as lost, while its queue is busy with others."""

_IDLE_HINT_STALE_S = 3.0
"""And after so long when nothing of its queue runs, although something could."""

_RENEW_EVERY_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What came of a chunk: how its items ended, and what to write in the same transaction.

    ``is_unfinished`` leaves the rest for later: the chunk goes back to the end of its queue,
    what it has done stays counted, and its attempts begin anew. Work that takes hours does it
    in parts, so that others get their turn and no time limit ends it. ``is_cancelled`` says that
    the work stopped where it was asked to; what it had done by then is kept.
    """

    counts: Counts
    issues: Sequence[Issue] = ()
    write: Callable[[Session], None] = field(default=lambda _session: None)
    is_unfinished: bool = False
    is_cancelled: bool = False

    @property
    def state(self) -> JobState:
        """Of the chunk, once this is written."""
        if self.is_cancelled:
            return JobState.CANCELLED
        return JobState.QUEUED if self.is_unfinished else JobState.DONE


ChunkWork = Callable[[Chunk, Progress], ChunkResult]
"""Does the work of a chunk outside any transaction."""


class LostLeaseError(Exception):
    """Another worker has the chunk now; nothing may be committed."""


def submit(
    ctx: Context,
    kind: str,
    project_id: int,
    parameters: dict[str, object],
    chunks: Sequence[NewChunk],
    *,
    is_unique: bool = False,
) -> Job:
    """Create a job with its first chunks, wake the workers, and say how it stands then.

    With ``is_unique`` a job of the same kind and parameters that has not ended is taken instead.
    """
    with ctx.sessions.write() as session:
        open_id = job_rows.find_open(session, kind, project_id, parameters) if is_unique else None
        if open_id is not None:
            return job_rows.get(session, open_id)
        job_id = job_rows.create(session, kind, project_id, parameters)
        chunk_rows.add(session, job_id, chunks)
        job_rows.settle(session, job_id)
        found = _take_unannounced(session)
    _send(ctx, found)
    with ctx.sessions.read() as session:
        return job_rows.get(session, job_id)


def split(kind: str, queue: Queue, name: str, items: Sequence[int], size: int) -> list[NewChunk]:
    """Chunks of at most ``size`` items each, which their payload holds under ``name``."""
    parts = [list(items[start : start + size]) for start in range(0, len(items), size)]
    return [NewChunk(kind, queue, {name: part}, len(part)) for part in parts]


def announce(ctx: Context) -> int:
    """Send hints until a few chunks of each queue are announced: how many were sent."""
    with ctx.sessions.write() as session:
        found = _take_unannounced(session)
    return _send(ctx, found)


def _take_unannounced(session: Session) -> list[tuple[Queue, int]]:
    return chunk_rows.take_unannounced(session, _HINTS_AHEAD, _HINT_STALE_S, _IDLE_HINT_STALE_S)


def _send(ctx: Context, found: Sequence[tuple[Queue, int]]) -> int:
    unsent = [chunk_id for _, chunk_id in found]
    for queue, chunk_id in found:
        if not ctx.queue.wake_for_chunk(queue, chunk_id, Priority.BULK):
            break  # a broker that does not take this one would only let the others wait, too
        unsent.remove(chunk_id)
    if unsent:
        with ctx.sessions.write() as session:
            chunk_rows.forget_published(session, unsent)
    return len(found) - len(unsent)


def run_chunk(ctx: Context, chunk_id: int, work: Mapping[str, ChunkWork], owner: str) -> JobState | None:
    """Claim a chunk, do it and commit: its new state, or None when there was nothing to do."""
    with ctx.sessions.write() as session:
        chunk = chunk_rows.claim(session, chunk_id, owner, ctx.options.lease_s, ctx.options.max_attempts)
    if chunk is None:
        return None
    try:
        with Lease(ctx, chunk, owner) as lease:
            state = _do(ctx, chunk, work[chunk.kind], lease, owner)
    except LostLeaseError:
        _log.warning("chunk %s was taken over by another worker; its results are dropped", chunk_id)
        _forgive(ctx, chunk_id)
        return None
    except SystemExit:  # told to stop amid the chunk, see worker.tasks
        _hand_back(ctx, chunk, owner)
        raise
    return state


def _do(ctx: Context, chunk: Chunk, work: ChunkWork, lease: "Lease", owner: str) -> JobState:
    try:
        lease.check_cancelled()
        result = work(chunk, lease)
        return _commit(ctx, chunk, owner, result.state, result)
    except Cancelled:
        return _commit(ctx, chunk, owner, JobState.CANCELLED, ChunkResult(Counts(done=chunk.done)))
    except LostLeaseError:
        raise
    except KomadoriError as error:
        _log.warning("chunk %s: %s", chunk.id, error)
        return _give_up(ctx, chunk, owner, str(error), is_final=not error.is_retryable)
    except Exception as error:  # noqa: BLE001  (a bug in the work must not end the worker)
        _log.exception("chunk %s failed", chunk.id)
        return _give_up(ctx, chunk, owner, f"{type(error).__name__}: {error}", is_final=False)


def _give_up(ctx: Context, chunk: Chunk, owner: str, error: str, *, is_final: bool) -> JobState:
    if not is_final and chunk.attempts < ctx.options.max_attempts:
        return _commit(ctx, chunk, owner, JobState.QUEUED, ChunkResult(Counts()), error)
    return _commit(ctx, chunk, owner, JobState.FAILED, ChunkResult(Counts()), error)


def _forgive(ctx: Context, chunk_id: int) -> None:
    """This process has slept or hung and was taken for dead, which is no fault of the chunk."""
    try:
        with ctx.sessions.write() as session:
            chunk_rows.forgive(session, chunk_id)
    except KomadoriError as error:
        _log.warning("a death of chunk %s could not be taken back: %s", chunk_id, error)


def _hand_back(ctx: Context, chunk: Chunk, owner: str) -> None:
    """Queue a chunk for others; that its process stops in good order is no fault of the chunk."""
    try:
        _commit(ctx, chunk, owner, JobState.QUEUED, ChunkResult(Counts()))
    except (LostLeaseError, KomadoriError) as error:
        _log.warning("chunk %s could not be handed back: %r", chunk.id, error)


def _commit(
    ctx: Context, chunk: Chunk, owner: str, state: JobState, result: ChunkResult, error: str | None = None
) -> JobState:
    with ctx.sessions.write() as session:
        ended = chunk_rows.finish(
            session, chunk, owner, state, result.counts, error=error, issues=result.issues
        )
        if ended is None:
            raise LostLeaseError
        result.write(session)
        job_rows.settle(session, chunk.job_id)
        found = _take_unannounced(session)
    _send(ctx, found)
    return ended


class Lease:
    """Keeps a chunk while it is worked on, and is the progress that its work reports to."""

    def __init__(self, ctx: Context, chunk: Chunk, owner: str) -> None:
        self._ctx = ctx
        self._chunk = chunk
        self._owner = owner
        self._done = chunk.done
        self._must_stop = threading.Event()
        self._is_lost = threading.Event()
        self._is_finished = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{chunk.id}", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_finished.set()
        self._thread.join()

    def advance(self, n: int = 1) -> None:
        """Count items; written to the database about once a second."""
        self._done += n

    def check_cancelled(self) -> None:
        """Raise :class:`Cancelled` or :class:`LostLeaseError` when the work should stop."""
        if self._is_lost.is_set():
            raise LostLeaseError
        if self._must_stop.is_set():
            raise Cancelled

    def _keep(self) -> None:
        while not self._is_finished.wait(_RENEW_EVERY_S):
            try:
                self._renew()
            except KomadoriError as error:
                _log.warning("the lease of chunk %s could not be renewed: %s", self._chunk.id, error)

    def _renew(self) -> None:
        with self._ctx.sessions.write() as session:
            must_stop = chunk_rows.renew(
                session, self._chunk.id, self._owner, self._ctx.options.lease_s, self._done
            )
        if must_stop is None and not self._is_finished.is_set():
            self._is_lost.set()
        elif must_stop:
            self._must_stop.set()


def reap(ctx: Context) -> None:
    """Take back the chunks of workers that are gone, forget those, and send hints that were lost."""
    lost_chunks.take_back(ctx)
    with ctx.sessions.write() as session:
        worker_rows.forget_silent(session)
    announce(ctx)


def cancel(ctx: Context, job_id: int) -> Job:
    """Stop a job; what is finished is kept.

    Raises:
        NotFoundError: There is no such job.
    """
    with ctx.sessions.write() as session:
        job_rows.request_cancel(session, job_id)
        return job_rows.get(session, job_id)


def pause(ctx: Context, job_id: int) -> Job:
    """Let a job and its children rest; what runs stops soon and begins anew when they go on.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It has ended.
    """
    return _changed(ctx, job_id, job_rows.pause)


def resume(ctx: Context, job_id: int) -> Job:
    """Let a paused job and its children go on where they stopped.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It has ended.
    """
    return _changed(ctx, job_id, job_rows.resume)


def retry(ctx: Context, job_id: int) -> Job:
    """Queue again what failed, was cancelled, or was set aside; a paused job goes on.

    Raises:
        NotFoundError: There is no such job.
    """
    return _changed(ctx, job_id, job_rows.reopen)


def _changed(ctx: Context, job_id: int, change: Callable[[Session, int], object]) -> Job:
    """A job after a change, with what may begin by it announced."""
    with ctx.sessions.write() as session:
        change(session, job_id)
        job = job_rows.get(session, job_id)
        found = _take_unannounced(session)
    _send(ctx, found)
    return job


def wait(ctx: Context, job_id: int, timeout_s: float, poll_s: float = 0.05) -> Job:
    """The job once it has ended, or as it is after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        with ctx.sessions.read() as session:
            job = job_rows.get(session, job_id)
        if job.state.is_terminal or time.monotonic() > deadline:
            return job
        time.sleep(poll_s)
