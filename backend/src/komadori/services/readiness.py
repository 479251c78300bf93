"""Which parts of the installation are missing, in words for people and with codes for programs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from komadori.core.disk import storage_errors
from komadori.core.errors import KomadoriError, StorageError
from komadori.core.types import Queue, WorkerState
from komadori.db import migrate
from komadori.db.repositories import workers
from komadori.services.context import Context

_LITTLE_SPACE_BYTES = 2_000_000_000
_NO_SPACE_BYTES = 50_000_000
"""With less no job can be entered safely: the log of the database alone may take that much."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A part that is missing; one that is essential keeps the API from accepting work."""

    part: str
    code: str
    detail: str
    hint: str
    is_essential: bool = False


def lacks(ctx: Context, trouble: KomadoriError | None = None) -> list[Lack]:
    """What is missing now, essential parts first.

    Args:
        ctx: The ports.
        trouble: What kept the last attempt to change the database from succeeding, if anything did.
    """
    found = [*_of_database(ctx, trouble), *_of_disk(ctx), *_of_broker(ctx)]
    if not any(lack.part == "database" for lack in found):
        with ctx.sessions.read() as session:
            found += _of_workers(session)
    return sorted(found, key=lambda lack: not lack.is_essential)


def _of_database(ctx: Context, trouble: KomadoriError | None) -> Iterator[Lack]:
    try:
        if not migrate.is_newest(ctx.sessions):
            yield Lack(
                "database",
                "database-not-migrated",
                "The database does not have the schema of this version.",
                "Start the API with `komadori up`, which brings it up to date.",
                is_essential=True,
            )
            return
    except KomadoriError as error:
        trouble = error
    if isinstance(trouble, StorageError):
        yield Lack("database", trouble.code, trouble.message, trouble.hint, is_essential=True)


def _of_disk(ctx: Context) -> Iterator[Lack]:
    try:
        with storage_errors("look at the disk of the home"):
            free = shutil.disk_usage(ctx.home).free
    except StorageError as error:
        yield Lack("disk", "disk-unreadable", error.message, error.hint, is_essential=True)
        return
    if free < _LITTLE_SPACE_BYTES:
        is_full = free < _NO_SPACE_BYTES
        yield Lack(
            "disk",
            "disk-full" if is_full else "disk-nearly-full",
            f"Only {free / 1e6:,.0f} MB are free on the disk of {ctx.home}.",
            "Free some space: an hour of video takes about 1 GB at a frame a second.",
            is_essential=is_full,
        )


def _of_broker(ctx: Context) -> Iterator[Lack]:
    if not ctx.queue.is_reachable():
        yield Lack(
            "broker",
            "broker-unreachable",
            "The broker does not answer; jobs are accepted, and begin once it does.",
            "Check that Redis runs at KOMADORI_BROKER_URL; `komadori up` starts one of its own.",
        )


def _of_workers(session: Session) -> Iterator[Lack]:
    alive = workers.living(session)
    for queue in Queue:
        own = [worker for worker in alive if worker.queue == queue]
        if any(worker.state == WorkerState.READY for worker in own):
            continue
        if own:
            detail = f"No worker of the queue {queue} is ready: {own[0].detail}"
            hint = "It begins by itself once it can; `komadori doctor` looks for the cause."
        else:
            detail = f"The queue {queue} has no worker, so its jobs wait."
            hint = f"Start one with `komadori worker {queue}`, in containers with `make up-gpu` or `make up`."
        yield Lack(f"worker {queue}", "worker-not-ready" if own else "no-worker", detail, hint)
