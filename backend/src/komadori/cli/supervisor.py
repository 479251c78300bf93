"""Runs the whole system on this machine: broker, API and a worker for each queue, each a process."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from komadori.cli import embedded_broker
from komadori.cli.answers import Worker
from komadori.cli.child_process import ChildProcess, rotate_log
from komadori.cli.client import ApiClient
from komadori.core.errors import ConflictError, DependencyError, KomadoriError
from komadori.core.types import Queue, WorkerState
from komadori.settings import Settings

_LOOK_EVERY_S = 0.1
_ASK_EVERY_S = 0.5
_BROKER_START_S = 15.0
_BROKER_DEATHS_UNTIL_RESET = 3
_HURRY_S = 3.0
"""How long those have that should not finish their chunks, to hand them back."""

Say = Callable[[str, str], None]
"""Tells people something about a part, as in ``say("siglip", "ready")``."""


class Supervisor:
    """Starts the parts, starts again what dies, and stops everything in order.

    Args:
        settings: With an absolute home, which is prepared and locked.
        host: The address where the API listens.
        port: Its port.
        say: Gets what happens, for people.
        grace_s: How long a worker may take to finish its chunk when it is told to stop.
    """

    def __init__(self, settings: Settings, host: str, port: int, say: Say, grace_s: float = 60.0) -> None:
        self._settings = settings
        self._say = say
        self._grace_s = grace_s
        self._stop_signals = 0
        environment = _environment(settings)
        logs = settings.home / "logs"
        program = [sys.executable, "-m", "komadori.cli.main"]
        self._broker = self._embedded_broker(logs, environment)
        self._api = ChildProcess(
            "api", [*program, "api", "--host", host, "--port", str(port)], environment, logs / "api.log"
        )
        self._workers = {
            queue: ChildProcess(
                queue.value, [*program, "worker", queue.value], environment, logs / f"{queue.value}.log"
            )
            for queue in Queue
        }
        self._readiness = Readiness(ApiClient(settings.url, _token(settings)), say)

    def run(self, on_ready: Callable[[Sequence[str]], None]) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP; a second one does not wait for running chunks.

        Args:
            on_ready: Called once, when the API answers and every queue has a worker, with the
                names of those that wait for their model.
        """
        with self._stopped_by_signals():
            try:
                self._start()
                self._watch(on_ready)
            finally:
                self._stop()

    def _start(self) -> None:
        for child in self._children():
            rotate_log(child.log)
        if self._broker is not None:
            self._start_broker(self._broker)
        for child in (self._api, *self._workers.values()):
            child.start()

    def _watch(self, on_ready: Callable[[Sequence[str]], None]) -> None:
        is_ready = False
        while not self._stop_signals:
            for child in self._children():
                self._revive(child)
            if self._readiness.look() and not is_ready:
                is_ready = True
                on_ready(self._readiness.waiting)
            time.sleep(_LOOK_EVERY_S)

    def _revive(self, child: ChildProcess) -> None:
        death = child.reap()
        if death is not None:
            self._say(
                child.name, f"died ({death}); starting it again in {child.pause_s:g} s, see {child.log}"
            )
            self._readiness.forget(child.name)
            if child is self._api and not self._readiness.has_served and not death.startswith("signal"):
                raise _could_not_start(child)
            if child is self._broker and child.n_deaths == _BROKER_DEATHS_UNTIL_RESET:
                aside = embedded_broker.set_aside(self._broker_folder)
                self._say(child.name, f"cannot use its data; they are in {aside} now, no work is lost")
        if child.is_due:
            child.start()

    def _stop(self) -> None:
        """Stop what takes work first and what carries messages last."""
        asked_to_stop = self._stop_signals
        workers = list(self._workers.values())
        if any(worker.is_running for worker in workers):
            self._say("komadori", "stopping; running chunks are finished first, Ctrl+C again does not wait")
        self._stop_together(workers, self._grace_s, asked_to_stop)
        self._stop_together([self._api], 10.0, asked_to_stop)
        if self._broker is not None:
            self._stop_together([self._broker], 10.0, asked_to_stop)

    def _stop_together(self, children: Sequence[ChildProcess], grace_s: float, asked_to_stop: int) -> None:
        for child in children:
            child.terminate()
        deadline, is_hurried = time.monotonic() + grace_s, False
        while any(not child.has_stopped() for child in children):
            is_over = time.monotonic() > deadline
            if not is_hurried and (is_over or self._stop_signals > asked_to_stop):
                deadline, is_hurried = time.monotonic() + _HURRY_S, True
                for child in children:
                    child.terminate_group()
            elif is_over:
                for child in children:
                    child.kill()
            time.sleep(_LOOK_EVERY_S)

    def _children(self) -> Iterator[ChildProcess]:
        if self._broker is not None:
            yield self._broker
        yield self._api
        yield from self._workers.values()

    @property
    def _broker_folder(self) -> Path:
        return self._settings.home / "run" / "broker"

    def _embedded_broker(self, logs: Path, environment: dict[str, str]) -> ChildProcess | None:
        if self._settings.broker_url is not None:
            return None
        socket_path = self._settings.broker_socket
        command = embedded_broker.command(embedded_broker.find_server(), socket_path, self._broker_folder)
        return ChildProcess("broker", command, environment, logs / "broker.log")

    def _start_broker(self, broker: ChildProcess) -> None:
        embedded_broker.prepare(self._settings.broker_socket, self._broker_folder)
        broker.start()
        deadline = time.monotonic() + _BROKER_START_S
        while not embedded_broker.answers(self._settings.broker_socket):
            self._revive(broker)
            if time.monotonic() > deadline:
                raise DependencyError(
                    f"The embedded broker did not answer within {_BROKER_START_S:g} s.",
                    hint=f"See {broker.log}, or set KOMADORI_BROKER_URL to a Redis server.",
                    code="broker-not-started",
                )
            if self._stop_signals:
                return
            time.sleep(_LOOK_EVERY_S)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        def note(_number: int, _frame: FrameType | None) -> None:
            self._stop_signals += 1

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        former = {number: signal.signal(number, note) for number in wanted}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


class Readiness:
    """Knows how the parts are, and says it once for each start, and while one waits on each change."""

    def __init__(self, api: ApiClient, say: Say) -> None:
        self._api = api
        self._say = say
        self._ready: set[str] = set()
        self._waiting: dict[str, str] = {}
        self._starts_s: dict[str, float] = {}
        self._began_s = time.time()
        self._ask_again_s = 0.0
        self.has_served = False
        """Whether the API has ever answered."""

    @property
    def waiting(self) -> list[str]:
        """The parts that wait for something, such as their model."""
        return list(self._waiting)

    def look(self) -> bool:
        """Ask, at most twice a second, whether everything is ready, or waits for what it needs."""
        if time.monotonic() >= self._ask_again_s and len(self._ready) < 1 + len(Queue):
            self._ask_again_s = time.monotonic() + _ASK_EVERY_S
            self._ask()
        return len(self._ready) + len(self._waiting) == 1 + len(Queue)

    def forget(self, name: str) -> None:
        """Note that a part has died; what it reported before counts no more."""
        self._ready.discard(name)
        self._waiting.pop(name, None)
        self._starts_s[name] = time.time()

    def _ask(self) -> None:
        if "api" not in self._ready:
            if not self._api.is_ready():
                return
            self.has_served = True
            self._tell("api", f"listening on {self._api.url}")
        try:
            workers = self._api.workers()
        except KomadoriError:
            return
        for queue in Queue:
            since_s = self._starts_s.get(queue.value, self._began_s)
            own = [worker for worker in workers if worker.queue == queue and worker.seen_s > since_s]
            started = [worker for worker in own if worker.state != WorkerState.LOADING]
            if started and queue.value not in self._ready:
                self._tell_worker(queue.value, started)

    def _tell_worker(self, name: str, workers: Sequence[Worker]) -> None:
        ready = [worker for worker in workers if worker.state == WorkerState.READY]
        if ready:
            self._tell(name, "ready" if ready[0].detail == "ready" else f"ready: {ready[0].detail}")
        elif workers[0].topic != self._waiting.get(name):
            self._waiting[name] = workers[0].topic
            self._say(name, workers[0].detail)

    def _tell(self, name: str, text: str) -> None:
        self._waiting.pop(name, None)
        self._ready.add(name)
        self._say(name, text)


def check_port(host: str, port: int) -> None:
    """Make sure that the API will be able to listen.

    Raises:
        ConflictError: Another program listens there, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise ConflictError(
                f"The API cannot listen on {host}, port {port}: {exc.strerror or exc}.",
                hint="Stop the program that listens there, or choose another with --port.",
                code="port-in-use",
            ) from exc


def _could_not_start(child: ChildProcess) -> DependencyError:
    """What a part that never came up said last."""
    lines = child.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return DependencyError(
        f"The part {child.name} could not start: {' '.join(lines[-2:])}",
        hint=f"All that it said is in {child.log}.",
        code="not-started",
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Of every child: these settings and no others, and no modules from the current folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOMADORI_")}
    return {**kept, **settings.environment(), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def _token(settings: Settings) -> str | None:
    return settings.token.get_secret_value() if settings.token else None
