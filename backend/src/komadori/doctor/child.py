"""Short programs in a process of their own, which can be given up whatever hangs in them.

A call of a driver may keep Python's lock, or sleep in the kernel where no signal reaches it.
A thread cannot be freed from either, and would hold up the end of the program; a process can
be left behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from komadori.core.errors import DependencyError

_GRACE_S = 1.0
"""How long a killed process has to disappear; one that sleeps in the kernel never does."""


@dataclass(frozen=True)
class Output:
    """What a program printed, and its exit status (negative: the signal that ended it)."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """What it said last: on stderr, else on stdout, else its exit status."""
        lines = self.err.strip().splitlines() or self.out.strip().splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


def run(command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None) -> Output:
    """What a program printed; it, and all that it started, is killed when it takes longer.

    Args:
        command: The program and its arguments.
        timeout_s: After so long it is killed, and left behind if that does not help.
        environment: Its whole environment; that of this process when None.

    Raises:
        DependencyError: There is no such program, or it gave no answer in time (code "no-answer").
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as exc:
        raise DependencyError(
            f"Expected the program {command[0]}, which cannot be started: {exc.strerror}.",
            hint=f"Install {command[0]}.",
            code="no-program",
        ) from exc
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _give_up(process)
        raise DependencyError(
            f"Expected an answer of {command[0]} within {timeout_s:g} s, got none.",
            hint="Something hangs; look at the system's log: `sudo dmesg | tail -50`.",
            code="no-answer",
        ) from None
    return Output(process.returncode, out, err)


def read_json(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The JSON object that a program prints as its last line.

    Raises:
        DependencyError: It cannot be started, gives no answer in time, or ends otherwise than well
            (code "probe-failed"; the message is its last line).
    """
    output = run(command, timeout_s, environment)
    try:
        facts = json.loads(output.out.strip().rpartition("\n")[2])
    except ValueError:
        facts = None
    if output.status or not isinstance(facts, dict):
        raise DependencyError(output.last_line, code="probe-failed")
    return facts


def _give_up(process: subprocess.Popen[str]) -> None:
    """Kill a process with its children; nobody waits for one that even so does not end."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_GRACE_S)
    except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        pass
    finally:
        process.returncode = process.returncode if process.returncode is not None else -signal.SIGKILL
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
