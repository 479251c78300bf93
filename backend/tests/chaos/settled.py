"""Waits until nothing is left to do, and finds what a run has left behind."""

import time
from collections.abc import Callable
from contextlib import closing

from redis import Redis, RedisError

from komadori.bootstrap import open_store
from komadori.core import process_names
from komadori.core.errors import KomadoriError
from komadori.core.types import JobState, Queue
from komadori.db.repositories import queues, workers
from komadori.services import check
from tests.chaos.system import System

_LOOK_EVERY_S = 0.25


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came to pass in time; a look that fails counts as not yet."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (KomadoriError, RedisError):
            pass
        time.sleep(_LOOK_EVERY_S)
    return False


def n_open_chunks(system: System) -> int:
    """How many chunks are queued or running."""
    with system.context() as ctx, ctx.sessions.read() as session:
        loads = queues.loads(session)
    return sum(load.chunks.get(state, 0) for load in loads for state in (JobState.QUEUED, JobState.RUNNING))


def dead_workers(system: System) -> list[str]:
    """The workers that count as living, and whose process is gone."""
    with system.context() as ctx, ctx.sessions.read() as session:
        return [worker.name for worker in workers.living(session) if process_names.is_gone(worker.name)]


def n_messages(system: System) -> int:
    """How many hints wait in the broker."""
    with Redis(unix_socket_path=str(system.home / "run" / "broker.sock"), socket_timeout=5) as broker:
        return sum(broker.llen(f"{queue.value}{step}") for queue in Queue for step in ("", ":1"))


def checked(system: System) -> list[str]:
    """What `komadori check --deep` finds in the store at rest, where no file is too young to be judged."""
    store = open_store(system.read_settings())
    with closing(store.sessions):
        report = check.check(store, is_deep=True, age_s=0.0, pause_s=0.0)
    return [f"{finding.kind.value}: {finding.subject}: {finding.detail}" for finding in report.findings]


def leftovers(system: System) -> list[str]:
    """Temporary files that outlived the run, once everything has stopped."""
    scratch = system.home / "blobs" / ".scratch"
    found = [*scratch.iterdir(), *system.place.temporary.iterdir()]
    return sorted(str(path.relative_to(system.place.folder)) for path in found)
