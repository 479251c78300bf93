"""Findings as text for people, in groups and with a remedy under each fault, or as JSON.

On a terminal the lines are folded at its width and coloured; what goes to a file or another
program has neither, so that it can be searched and pasted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from komadori.doctor.report import Check, Finding, Status, examine, has_failed, verdict

if TYPE_CHECKING:
    from komadori.settings import Settings

_WIDEST = 120
_NARROWEST = 50
_NAME_COLUMNS = 17
_INDENT = 2 + 4 + 1 + _NAME_COLUMNS + 1
_SIGNS = {Status.OK: "ok", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_COLOURS = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "1;31", Status.SKIP: "2"}
_BOLD, _DIM = "1", "2"
_LONG_S = 60.0
"""For what may take longer people are told how long."""

_ERASE_LINE = "\r\x1b[2K"


def present(settings: Settings | None, checks: Sequence[Check], *, as_json: bool) -> list[Finding]:
    """Run checks and print what they find on stdout: as it comes, or all of it as JSON."""
    if as_json:
        findings = examine(settings, checks)
        listed = [finding.as_json() for finding in findings]
        text = json.dumps({"ok": not has_failed(findings), "checks": listed}, ensure_ascii=False, indent=2)
        sys.stdout.write(text + "\n")
        return findings
    printer = Printer()
    findings = examine(settings, checks, printer.show, printer.begin)
    printer.end(findings)
    return findings


class Printer:
    """Prints findings as they come, under the headlines of their groups."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._group = ""
        self._held_up: list[Finding] = []
        self._is_terminal = self._stream.isatty()
        self._has_colours = self._is_terminal and "NO_COLOR" not in os.environ
        columns = shutil.get_terminal_size().columns
        self._width = min(max(columns, _NARROWEST), _WIDEST) if self._is_terminal else sys.maxsize

    def begin(self, check: Check) -> None:
        """Name what is being looked at, where a person waits for it; :meth:`show` takes it away."""
        if self._is_terminal:
            patience = f" (at most {check.deadline_s:.0f} s)" if check.deadline_s > _LONG_S else ""
            self._stream.write(f"  ...  {check.name}{patience}")
            self._stream.flush()

    def show(self, finding: Finding) -> None:
        """Print one finding, and the headline when its group begins."""
        if self._is_terminal:
            self._stream.write(_ERASE_LINE)
        if not self._goes_with_held_up(finding):
            self._print_held_up()
        if finding.check.group != self._group:
            self._group = finding.check.group
            self._write("\n" + self._styled(self._group, _BOLD))
        if finding.skipped_for:
            self._held_up.append(finding)
        else:
            self._print(finding)

    def end(self, findings: Sequence[Finding]) -> None:
        """Print what all of it comes to."""
        self._print_held_up()
        colour = _COLOURS[Status.FAIL if has_failed(findings) else Status.OK]
        self._write("\n" + self._styled(verdict(findings), colour))

    def _print(self, finding: Finding) -> None:
        status = self._styled(f"{_SIGNS[finding.status]:<4}", _COLOURS[finding.status])
        first, *rest = self._fold(finding.result.detail, _INDENT) or [""]
        self._write(f"  {status} {finding.check.name:<{_NAME_COLUMNS}} {first}".rstrip())
        for line in rest:
            self._write(" " * _INDENT + line)
        style = _BOLD if finding.status in (Status.WARN, Status.FAIL) else _DIM
        for number, line in enumerate(self._fold(finding.result.remedy, _INDENT + 2)):
            self._write(" " * _INDENT + ("  " if number else "> ") + self._styled(line, style))

    def _goes_with_held_up(self, finding: Finding) -> bool:
        """Whether it was skipped for the same reason as those that are not printed yet."""
        return bool(self._held_up) and (self._held_up[0].skipped_for, self._group) == (
            finding.skipped_for,
            finding.check.group,
        )

    def _print_held_up(self) -> None:
        """Print those that were skipped for one reason in a line."""
        if not self._held_up:
            return
        names = ", ".join(finding.check.name for finding in self._held_up)
        verb = "needs" if len(self._held_up) == 1 else "need"
        said = f"{names}: {verb} {self._held_up[0].skipped_for}"
        for number, line in enumerate(self._fold(said, 7)):
            self._write(self._styled(("       " if number else "  skip ") + line, _DIM))
        self._held_up = []

    def _fold(self, text: str, indent: int) -> list[str]:
        lines: list[str] = []
        for line in text.splitlines():
            lines += textwrap.wrap(line, self._width - indent, break_on_hyphens=False) or [""]
        return lines

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._has_colours else text

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
