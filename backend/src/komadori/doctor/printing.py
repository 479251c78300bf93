"""Findings as text for people: in groups, with a remedy under each fault.

On a terminal the lines are folded at its width and coloured; what goes to a file or another
program has neither, so that it can be searched and pasted.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from komadori.doctor.report import Finding, Status, verdict

_WIDEST = 120
_NARROWEST = 40
_NAME_COLUMNS = 18
_SIGNS = {Status.OK: "ok", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_COLOURS = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "1;31", Status.SKIP: "2"}
_BOLD, _DIM = "1", "2"


class Printer:
    """Prints findings as they come, under the headlines of their groups."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._group = ""
        is_terminal = self._stream.isatty()
        self._has_colours = is_terminal and "NO_COLOR" not in os.environ
        columns = shutil.get_terminal_size().columns
        self._width = min(max(columns, _NARROWEST), _WIDEST) if is_terminal else sys.maxsize

    def show(self, finding: Finding) -> None:
        """Print one finding, and the headline when its group begins."""
        if finding.check.group != self._group:
            self._group = finding.check.group
            self._write("\n" + self._styled(self._group, _BOLD))
        status = self._styled(f"{_SIGNS[finding.status]:<4}", _COLOURS[finding.status])
        indent = 2 + 4 + 1 + _NAME_COLUMNS + 1
        name = f"{finding.check.name:<{_NAME_COLUMNS}}"
        first, *rest = self._fold(finding.result.detail, indent) or [""]
        self._write(f"  {status} {name} {first}".rstrip())
        for line in rest:
            self._write(" " * indent + line)
        for line in self._fold(f"-> {finding.result.remedy}" if finding.result.remedy else "", indent):
            self._write(" " * indent + self._styled(line, _DIM))

    def end(self, findings: Sequence[Finding]) -> None:
        """Print what all of it comes to."""
        self._write("\n" + verdict(findings))

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
