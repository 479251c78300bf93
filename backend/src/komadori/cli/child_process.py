"""A child process of ``komadori up``: with a log, a group of its own, and no life without its parent."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import Signals

from komadori.core.disk import storage_errors
from komadori.core.orphans import die_with_parent

_LOGS_KEPT = 3
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60.0


@dataclass(slots=True)
class ChildProcess:
    """Started as often as needed; all that it starts itself is in its process group.

    Attributes:
        name: For messages, and of the log file.
        command: Its command line.
        environment: All of it.
        log: Gets its stdout and stderr.
        orphan_signal: What the kernel sends it when this process dies (Linux).
        folder: Where it runs; where this process does when None.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    orphan_signal: Signals = signal.SIGKILL
    folder: Path | None = None
    n_deaths: int = 0
    """Deaths in a row, each soon after the start."""
    _process: subprocess.Popen[bytes] | None = None
    _started_s: float = 0.0
    _start_again_s: float = field(default=0.0)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether it runs, as far as was seen at the last :meth:`reap`."""
        return self._process is not None

    @property
    def is_due(self) -> bool:
        """Whether it does not run, and the pause after its last death is over."""
        return self._process is None and time.monotonic() >= self._start_again_s

    @property
    def pause_s(self) -> float:
        """The pause after its last death: half a second, twice as long each time, at most half a minute."""
        return min(_LONGEST_PAUSE_S, 0.25 * 2.0**self.n_deaths)

    def start(self) -> None:
        """Start it.

        Raises:
            StorageError: Its log cannot be written, or its program not be run.
        """
        with storage_errors(f"start {self.name}"):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.environment,
                    cwd=self.folder,
                    start_new_session=True,
                    preexec_fn=partial(die_with_parent, os.getpid(), self.orphan_signal),
                )
        self._started_s = time.monotonic()

    def reap(self) -> str | None:
        """How it died, when it has since the last look; what it left behind is killed."""
        status = None if self._process is None else self._process.poll()
        if self._process is None or status is None:
            return None
        self.kill()
        self._process = None
        lived_s = time.monotonic() - self._started_s
        self.n_deaths = 1 if lived_s > _STEADY_AFTER_S else self.n_deaths + 1
        self._start_again_s = time.monotonic() + self.pause_s
        return f"signal {Signals(-status).name}" if status < 0 else f"exit status {status}"

    def terminate(self) -> None:
        """Ask it to stop; its own children are its business."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def terminate_group(self) -> None:
        """Ask it and everything in its group to stop at once: who is amid a chunk hands that back."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything in its group at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def has_stopped(self) -> bool:
        """Whether it has ended; then nothing of its group is left either."""
        if self._process is not None and self._process.poll() is not None:
            self.kill()
            self._process = None
        return self._process is None


def rotate_log(log: Path) -> None:
    """Begin a new log and keep the last few."""
    with storage_errors("rotate the log"):
        for number in range(_LOGS_KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(log, number).replace(_numbered(log, number + 1))
        with suppress(FileNotFoundError):
            log.replace(_numbered(log, 1))


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
