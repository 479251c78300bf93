"""A real `komadori up` on a home of its own, with models that need no checkpoint unless told otherwise."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from komadori.cli.client import ApiClient

KOMADORI = [sys.executable, "-m", "komadori.cli.main"]
PARTS = ("broker", "api", "default", "siglip", "sam3")


@dataclass(slots=True)
class RunningUp:
    """The process, and what it has started."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    said: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> ApiClient:
        return ApiClient(self.url)

    def children(self) -> dict[str, int]:
        """The process id of each part, by its name."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                words = child.cmdline()
                found[next((part for part in PARTS if part in words), "broker")] = child.pid
        return found

    def wait_ready(self, timeout_s: float = 120) -> None:
        wait_until(
            lambda: "Ready after" in self.said.read_text() or self.process.poll() is not None, timeout_s
        )
        assert self.process.poll() is None, self.said.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start_up(
    home: Path,
    settings: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
    komadori: Sequence[str] = KOMADORI,
) -> RunningUp:
    """Start it with these settings, by the names of their variables; it is not ready yet."""
    port = port or free_port()
    said = home.with_name(f"{home.name}-up-{port}.txt")
    with said.open("w") as file:
        process = subprocess.Popen(
            [*komadori, "up", "--home", str(home), "--port", str(port)],
            env=environment(KOMADORI_EXPORTS=f"{home}-exports", **(settings or {})),
            cwd=home.parent,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return RunningUp(home, port, process, said)


@contextmanager
def running_up(
    home: Path, settings: Mapping[str, str] | None = None, *, komadori: Sequence[str] = KOMADORI
) -> Iterator[RunningUp]:
    """A system with these settings that is ready, stopped and gone at the end."""
    up = start_up(home, settings, komadori=komadori)
    try:
        up.wait_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()
        for process in processes_of(home):
            process.kill()


def environment(**changes: str) -> dict[str, str]:
    """Nothing of the developer's own Komadori, and models that need no checkpoint."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOMADORI_")}
    fakes = {"KOMADORI_EMBEDDER": "fake", "KOMADORI_SEGMENTER": "fake", "KOMADORI_DECODE_WORKERS": "1"}
    return {**kept, **fakes, **changes}


def processes_of(home: Path) -> list[psutil.Process]:
    """Every living process that was given this home, but `up` itself."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get("KOMADORI_HOME") == str(home)
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not come to pass within {timeout_s} s"
        time.sleep(0.05)
