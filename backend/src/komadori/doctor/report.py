"""Runs checks: each has a deadline, and a remedy when it finds fault.

A check is a function of the settings that returns a :class:`Result`. Only the standard
library is needed here, and Python 3.9: a host that runs nothing but containers has no more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from komadori.core.errors import KomadoriError
from komadori.doctor.masking import Mask

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
    """What a check found, and what to do about it.

    Attributes:
        status: How it ended.
        detail: What was found, a line or more.
        remedy: What to do, one precise step.
        facts: The same for programs, as JSON can hold it: ``{"batch": 64, "ms": 12.5}``.
        settings: Settings that would suit this machine better, ``{"KOMADORI_EMBED_BATCH": "64"}``.
    """

    status: Status
    detail: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: Kebab-case, unique in a list.
        group: A headline for several checks.
        look: Finds out, given the settings (None on a host that has none); a KomadoriError that
            it raises is a failure with its hint as the remedy.
        deadline_s: After so long it counts as failed, even if it never returns. What may keep
            Python's lock belongs into a process of its own, see ``child``.
        needs: Names of checks before it; this one is skipped unless they ended ok or with a warning.
    """

    name: str
    group: str
    look: Callable[[Any], Result]
    deadline_s: float = 10.0
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A check with its result, how long it took, and the check that it was skipped for, if any."""

    check: Check
    result: Result
    duration_s: float
    skipped_for: str | None = None

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
            "facts": dict(self.result.facts),
            "ms": round(self.duration_s * 1000),
        }


def ok(detail: str, **facts: Any) -> Result:
    """All is well."""
    return Result(Status.OK, detail, facts=facts)


def warn(detail: str, remedy: str, **facts: Any) -> Result:
    """It works, but not all of it or not well."""
    return Result(Status.WARN, detail, remedy, facts)


def fail(detail: str, remedy: str, **facts: Any) -> Result:
    """It cannot work."""
    return Result(Status.FAIL, detail, remedy, facts)


def skip(detail: str, remedy: str = "") -> Result:
    """There was nothing to check."""
    return Result(Status.SKIP, detail, remedy)


def examine(
    settings: Settings | None,
    checks: Sequence[Check],
    show: Callable[[Finding], None] | None = None,
    begin: Callable[[Check], None] | None = None,
) -> list[Finding]:
    """Run checks of an installation; secrets are masked in what they say.

    One after the other, so that what one of them measures is not slowed down by another.

    Args:
        settings: Those of the installation; None on a host that has none.
        checks: In an order in which one explains the next.
        show: Is told about each finding as it comes.
        begin: Is told about each check that is now looked at.
    """
    mask = Mask.of(settings)
    findings: list[Finding] = []
    for check in checks:
        cause = _missing(check, findings)
        if cause is None and begin is not None:
            begin(check)
        finding = _run(check, settings, mask) if cause is None else _held_up(check, cause)
        findings.append(finding)
        if show is not None:
            show(finding)
    return findings


def has_failed(findings: Sequence[Finding]) -> bool:
    """Whether something cannot work."""
    return any(finding.status is Status.FAIL for finding in findings)


def verdict(findings: Sequence[Finding]) -> str:
    """The result of all checks in a line."""
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    said = [f"{n} {status.value}" for status, n in counts.items() if n]
    end = "Something cannot work." if counts[Status.FAIL] else "Nothing stands in the way."
    return f"{', '.join(said)}. {end}"


def _missing(check: Check, findings: Sequence[Finding]) -> Finding | None:
    """The first finding that a check needs and that did not end well."""
    ended = {finding.check.name: finding for finding in findings}
    needed = [ended[name] for name in check.needs if name in ended]
    return next((found for found in needed if found.status in (Status.FAIL, Status.SKIP)), None)


def _held_up(check: Check, cause: Finding) -> Finding:
    root = cause.skipped_for or cause.check.name
    return Finding(check, skip(f"needs {root}"), 0.0, root)


def _run(check: Check, settings: Settings | None, mask: Mask) -> Finding:
    """Run a check in a thread that is left behind when it hangs, as in a read of a dead disk."""
    started_s = time.monotonic()
    answers: SimpleQueue[Result] = SimpleQueue()
    look = partial(_look, check, settings)
    threading.Thread(target=lambda: answers.put(look()), name=check.name, daemon=True).start()
    try:
        result = answers.get(timeout=check.deadline_s)
    except Empty:
        result = fail(
            f"no answer within {check.deadline_s:g} s",
            "Something hangs; look at the system's log: `sudo dmesg | tail -50`.",
        )
    return Finding(check, _mask(result, mask), time.monotonic() - started_s)


def _look(check: Check, settings: Settings | None) -> Result:
    try:
        return check.look(settings)
    except KomadoriError as problem:
        return fail(problem.message, problem.hint)
    except PermissionError as exc:
        return fail(
            f"this user ({os.getuid()}) may not look at {exc.filename or 'it'}: {exc.strerror}",
            "Run this as the user that runs Komadori, or give this one the right.",
        )
    except Exception as exc:  # noqa: BLE001  a check that breaks must not hide the others
        return fail(f"{type(exc).__name__}: {exc}", "This is a defect of the check; please report it.")


def _mask(result: Result, mask: Mask) -> Result:
    return replace(
        result, detail=mask(result.detail), remedy=mask(result.remedy), facts=mask.tree(result.facts)
    )
