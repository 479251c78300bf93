"""What goes to the screen: tables and JSON on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from komadori.core.errors import KomadoriError

_PIPED_WIDTH = 200
"""Lines that go to a file or another program are not folded at 80 columns."""


def console(*, stderr: bool = False) -> Console:
    """The console of a stream as it is now."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, width=None if is_terminal else _PIPED_WIDTH, highlight=False, soft_wrap=not is_terminal
    )


def is_watched() -> bool:
    """Whether a person looks at stderr, so that progress makes sense."""
    return sys.stderr.isatty()


def print_json(value: object) -> None:
    """Print a value as JSON and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def line(text: str = "") -> None:
    """Print a line for people on stdout, as it is."""
    console().print(Text(text))


def note(text: str) -> None:
    """Print a line for people on stderr."""
    console(stderr=True).print(Text(text))


def next_step(text: str) -> None:
    """Say what to do next, where a person looks."""
    if is_watched():
        console(stderr=True).print(Text(text, style="dim"))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; the name of a column of numbers begins with ``>``."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        is_number = column.startswith(">")
        grid.add_column(column.removeprefix(">"), justify="right" if is_number else "left", no_wrap=is_number)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console().print(grid)


def spinner(text: str) -> AbstractContextManager[object]:
    """Shows a person that something goes on while nothing can be counted."""
    return console(stderr=True).status(text) if is_watched() else nullcontext()


def error(problem: KomadoriError) -> None:
    """Print an error with its code, and what to do, on stderr."""
    err = console(stderr=True)
    err.print(Text.assemble((f"{problem.code}:", "bold red"), " ", problem.message))
    if problem.hint:
        err.print(Padding(Text(problem.hint), (0, 0, 0, 2), expand=False))


def clock(seconds: float) -> str:
    """A time in a video as h:mm:ss.mmm; a negative one keeps its sign."""
    total_ms = round(abs(seconds) * 1000)
    rest_s, ms = divmod(total_ms, 1000)
    rest_min, s = divmod(rest_s, 60)
    h, min_ = divmod(rest_min, 60)
    sign = "-" if seconds < 0 and total_ms else ""
    return f"{sign}{h}:{min_:02}:{s:02}.{ms:03}"


def date(seconds: float) -> str:
    """A time since 1970 as people here write it: 2026-11-30 16:05:09."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """How long something takes: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(n_bytes: float) -> str:
    """A number of bytes in the unit that reads best: 512 B, 1.5 MB, 3.4 GB."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        n_bytes /= 1000
        if n_bytes < 999.5:
            return f"{n_bytes:.3g} {unit}"
    return f"{n_bytes / 1000:.3g} TB"


def count(n: int, noun: str) -> str:
    """A number with its noun: 1 frame, 2 frames."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
