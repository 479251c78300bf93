"""Runs checks: each has a deadline, and a remedy when it finds fault.

A check is a function of the settings that returns a :class:`Result`. Only the standard
library is needed here, and Python 3.9: a host that runs nothing but containers has no more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from komadori.core.errors import KomadoriError

if TYPE_CHECKING:
    from komadori.settings import Settings


class Status(str, Enum):  # noqa: UP042  (Python 3.9 has no StrEnum)
    """How a check ended; only ``fail`` means that something cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Result:
    """What a check found, and what to do about it."""

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: Kebab-case, unique in a list.
        group: A headline for several checks.
        look: Finds out; a KomadoriError that it raises is a failure with its hint as the remedy.
        deadline_s: After so long it counts as failed, even if it never returns.
        needs: Names of checks before it; when one of them failed, this one is skipped.
    """

    name: str
    group: str
    look: Callable[[Settings], Result]
    deadline_s: float = 10.0
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A check with its result and how long it took."""

    check: Check
    result: Result
    duration_s: float

    @property
    def status(self) -> Status:
        """How the check ended."""
        return self.result.status

    def as_json(self) -> dict[str, Any]:
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
    findings: list[Finding] = []
    for check in checks:
        failed = {finding.check.name for finding in findings if finding.status is Status.FAIL}
        cause = next((name for name in check.needs if name in failed), None)
        finding = _run(check, settings) if cause is None else _held_up(check, cause)
        findings.append(finding)
        if show is not None:
            show(finding)
    return findings


def verdict(findings: Sequence[Finding]) -> str:
    """The result of all checks in a line."""
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    said = [f"{n} {status.value}" for status, n in counts.items() if n]
    end = "Something cannot work." if counts[Status.FAIL] else "Nothing stands in the way."
    return f"{', '.join(said)}. {end}"


def _held_up(check: Check, cause: str) -> Finding:
    return Finding(check, skip(f"not looked at, because {cause} failed"), 0.0)


def _run(check: Check, settings: Settings) -> Finding:
    """Run a check in a thread that is left behind when it hangs, as in a call of a driver."""
    started_s = time.monotonic()
    answers: SimpleQueue[Result] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_look(check, settings)), name=check.name, daemon=True).start()
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
