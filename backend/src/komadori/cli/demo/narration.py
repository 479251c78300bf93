"""How the demo tells its steps: number and title first, the details with the time when a step ends."""

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

from komadori.cli import output

_INDENT = "     "
_WIDTH = 80


class Narration:
    """Prints the steps of a story of known length and takes their times.

    Attributes:
        timings_s: How long each step that has ended took, by its name.
    """

    def __init__(self, n_steps: int) -> None:
        self.timings_s: dict[str, float] = {}
        self._n_steps = n_steps
        self._details: list[str] = []

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        """A step; at least one detail is said in it."""
        began_s = time.monotonic()
        output.line(f"{len(self.timings_s) + 1}/{self._n_steps}  {title}")
        yield
        self.timings_s[name] = time.monotonic() - began_s
        took = output.span(self.timings_s[name]).replace(" ", "\N{NO-BREAK SPACE}")
        self._details[-1] += f" ({took})"
        for detail in self._details:
            for part in textwrap.wrap(detail, _WIDTH - len(_INDENT)):
                output.line(f"{_INDENT}{part}")
        self._details.clear()

    def say(self, text: str) -> None:
        """Add a detail to the step; it is printed when the step ends, the last one with its time."""
        self._details.append(text)
