"""A Komadori of the demo's own: `komadori up` on a free port, with nothing of the user's."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from komadori.cli.child_process import ChildProcess
from komadori.cli.client import ApiClient
from komadori.core.errors import DependencyError, KomadoriError, ModelError
from komadori.core.types import Queue, WorkerState

_HOST = "127.0.0.1"
_START_S = 600.0
_STOP_S = 90.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class DemoSystem:
    """A Komadori that runs; ``api`` is a client of it."""

    api: ApiClient
    process: ChildProcess

    def wait(self) -> None:
        """Until Ctrl+C or SIGTERM, or until it ends by itself."""
        is_asked = threading.Event()
        wanted = (signal.SIGINT, signal.SIGTERM)
        former = {number: signal.signal(number, lambda *_: is_asked.set()) for number in wanted}
        try:
            while self.process.reap() is None and not is_asked.wait(_LOOK_EVERY_S):
                pass
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


@contextmanager
def running(home: Path, models: Mapping[str, str]) -> Iterator[DemoSystem]:
    """Start everything, give it when all is ready, and stop it at the end.

    Args:
        home: An empty folder.
        models: The settings that name the models.

    Raises:
        DependencyError: It does not start.
        ModelError: A worker cannot load its model.
    """
    port = _free_port()
    command = [sys.executable, "-m", "komadori.cli.main", "up", "--host", _HOST, "--port", str(port)]
    system = ChildProcess(
        "komadori up",
        [*command, "--home", str(home)],
        _environment(models),
        home / "logs" / "up.log",
        orphan_signal=signal.SIGTERM,  # it then stops in order what it has started
        folder=home,
    )
    system.start()
    try:
        with ApiClient(f"http://{_HOST}:{port}") as api:
            _await_ready(system, api)
            yield DemoSystem(api, system)
    finally:
        _stop(system)


def _await_ready(system: ChildProcess, api: ApiClient) -> None:
    deadline = time.monotonic() + _START_S
    while not (api.is_ready() and _is_served(api)):
        death = system.reap()
        if death is not None or time.monotonic() > deadline:
            said = system.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise DependencyError(
                f"Komadori did not start ({death or 'it took too long'}): {' '.join(said[-2:])}",
                hint=f"The logs are in {system.log.parent}.",
                code="not-started",
            )
        time.sleep(_LOOK_EVERY_S)


def _is_served(api: ApiClient) -> bool:
    """Whether each queue has a worker that is ready.

    Raises:
        ModelError: One cannot load its model.
    """
    try:
        workers = api.workers()
    except KomadoriError:
        return False
    for worker in workers:
        if worker.state == WorkerState.WAITING:
            raise ModelError(f"The worker of the queue {worker.queue} is {worker.state}: {worker.detail}")
    return {worker.queue for worker in workers if worker.state == WorkerState.READY} == {
        q.value for q in Queue
    }


def _stop(system: ChildProcess) -> None:
    system.terminate()
    deadline = time.monotonic() + _STOP_S
    while not system.has_stopped():
        if time.monotonic() > deadline:
            system.kill()
        time.sleep(_LOOK_EVERY_S)


def _environment(models: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the user's settings, so that nothing of the user's is touched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOMADORI_")}
    return {**kept, **models, "PYTHONSAFEPATH": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
