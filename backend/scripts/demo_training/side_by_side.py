"""Runs several programs at once and shows what each says, line by line, with its name in front."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from komadori.core.errors import KomadoriError, ModelError

GRACE_S = 10.0
"""How long a program that is told to stop may take."""

TAIL_LINES = 12
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}


def run_side_by_side(commands: Mapping[str, Sequence[str]], logs: Path, cwd: Path) -> None:
    """Run all commands to their end, each with one thread.

    What they say is printed, and kept in ``NAME.log``. When one fails, or when this process is
    interrupted, the others are stopped too.

    Args:
        commands: By name.
        logs: The folder for the log files.
        cwd: Where the programs run.

    Raises:
        ModelError: One has failed; the message has its last lines.
        KeyboardInterrupt: This process was interrupted.
    """
    logs.mkdir(parents=True, exist_ok=True)
    running: dict[str, subprocess.Popen[str]] = {}
    failed: list[str] = []
    listeners: list[threading.Thread] = []
    try:
        for name, command in commands.items():
            running[name] = _started(command, cwd)
        for name in commands:
            log = logs / f"{name}.log"
            listeners.append(threading.Thread(target=_listen, args=(name, log, running, failed)))
            listeners[-1].start()
        for listener in listeners:
            listener.join()
    finally:
        _stop(running.values())
        for listener in listeners:
            listener.join()
    if failed:
        raise _failure(failed[0], running[failed[0]].returncode, logs / f"{failed[0]}.log")


def python(*arguments: str) -> list[str]:
    """A command that runs this very Python."""
    return [sys.executable, *arguments]


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While inside, SIGTERM does what Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _started(command: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
    """In a session of its own, so that an interrupt from the keyboard comes to this process alone."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _listen(name: str, log: Path, running: Mapping[str, subprocess.Popen[str]], failed: list[str]) -> None:
    """Pass on the lines of one program until it ends; note the first that fails, and end the others then."""
    process = running[name]
    assert process.stdout is not None
    width = max(len(other) for other in running)
    with process.stdout as lines, log.open("w", encoding="utf-8") as file:
        for line in lines:
            print(f"{name:{width}} | {line.rstrip()}", flush=True)
            file.write(line)
            file.flush()
    if process.wait():
        failed.append(name)
        for other in running.values():
            if other.poll() is None:
                other.terminate()


def _stop(processes: Iterable[subprocess.Popen[str]]) -> None:
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.terminate()
    for process in alive:
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(name: str, code: int, log: Path) -> KomadoriError:
    tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-TAIL_LINES:])
    return ModelError(
        f"The training of {name} ended with {code}; its last lines:\n{tail}",
        hint=f"All that it said is in {log}.",
        code="training-failed",
    )
