"""Checks whether this machine can do the work. Each check has a deadline, and a remedy when it finds fault.

A check is a function of the settings that returns a :class:`Result`. The checks of one
machine are in ``machine_checks``; other programs, such as one for the GPU, run lists of
their own with :func:`examine`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import ClassVar

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from komadori.cli import output
from komadori.core.errors import KomadoriError
from komadori.core.types import JsonDict
from komadori.settings import Settings


class Status(StrEnum):
    """How a check ended; only ``fail`` means that something cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found, and what to do about it."""

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        name: Kebab-case, unique in a list.
        group: A headline for several checks.
        look: Finds out; a KomadoriError that it raises is a failure with its hint as the remedy.
        deadline_s: After so long it counts as failed, even if it never returns.
    """

    name: str
    group: str
    look: Callable[[Settings], Result]
    deadline_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A check with its result and how long it took."""

    check: Check
    result: Result
    duration_s: float

    @property
    def status(self) -> Status:
        """How the check ended."""
        return self.result.status

    def as_json(self) -> JsonDict:
        """As ``--json`` prints it."""
        return {
            "id": self.check.name,
            "group": self.check.group,
            "status": self.status.value,
            "detail": self.result.detail,
            "remedy": self.result.remedy,
            "ms": round(self.duration_s * 1000),
        }


def ok(detail: str) -> Result:
    """All is well."""
    return Result(Status.OK, detail)


def warn(detail: str, remedy: str) -> Result:
    """It works, but not all of it or not well."""
    return Result(Status.WARN, detail, remedy)


def fail(detail: str, remedy: str) -> Result:
    """It cannot work."""
    return Result(Status.FAIL, detail, remedy)


def skip(detail: str) -> Result:
    """There was nothing to check."""
    return Result(Status.SKIP, detail)


def examine(
    settings: Settings, checks: Sequence[Check], show: Callable[[Finding], None] | None = None
) -> list[Finding]:
    """Run checks of an installation one after the other; ``show`` is told about each finding as it comes."""
    findings = []
    for check in checks:
        finding = _run(check, settings)
        findings.append(finding)
        if show is not None:
            show(finding)
    return findings


def verdict(findings: Sequence[Finding]) -> str:
    """The result of all checks in a line."""
    counts = {status: sum(finding.status == status for finding in findings) for status in Status}
    said = [f"{n} {status.value}" for status, n in counts.items() if n]
    end = "Something cannot work." if counts[Status.FAIL] else "Nothing stands in the way."
    return f"{', '.join(said)}. {end}"


class Printer:
    """Prints findings for people, under the headlines of their groups."""

    _STYLES: ClassVar = {
        Status.OK: "green",
        Status.WARN: "yellow",
        Status.FAIL: "bold red",
        Status.SKIP: "dim",
    }

    def __init__(self) -> None:
        self._group = ""
        self._console = output.console()

    def show(self, finding: Finding) -> None:
        """Print one finding, and the headline when its group begins."""
        if finding.check.group != self._group:
            self._group = finding.check.group
            self._console.print()
            self._console.print(Text(self._group, style="bold"))
        shown = Table.grid(padding=(0, 1))
        shown.add_column(width=4)
        shown.add_column(width=14)
        shown.add_column(overflow="fold")
        detail = Text(finding.result.detail)
        if finding.result.remedy:
            detail.append(f"\n{finding.result.remedy}", style="dim")
        status = Text(finding.status.value, style=self._STYLES[finding.status])
        shown.add_row(status, finding.check.name, detail)
        self._console.print(Padding(shown, (0, 0, 0, 2)))


def _run(check: Check, settings: Settings) -> Finding:
    """Run a check in a thread that is left behind when it hangs, as in a call of a driver."""
    started_s = time.monotonic()
    answers: SimpleQueue[Result] = SimpleQueue()
    Thread(target=lambda: answers.put(_look(check, settings)), name=check.name, daemon=True).start()
    try:
        result = answers.get(timeout=check.deadline_s)
    except Empty:
        result = fail(
            f"no answer within {check.deadline_s:g} s", "Something hangs; look at the system's log."
        )
    return Finding(check, result, time.monotonic() - started_s)


def _look(check: Check, settings: Settings) -> Result:
    try:
        return check.look(settings)
    except KomadoriError as problem:
        return fail(problem.message, problem.hint)
    except Exception as exc:  # noqa: BLE001  a check that breaks must not hide the others
        return fail(f"{type(exc).__name__}: {exc}", "This is a defect of the check; please report it.")
