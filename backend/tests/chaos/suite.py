"""The long suite: every database, and the demo models; ``make chaos``.

``python -m tests.chaos.suite --seconds 300 --record`` also keeps the figures for docs/reliability.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import figures
from tests.chaos.__main__ import NO_SERVER


@dataclass(frozen=True, slots=True)
class Part:
    """One run of the suite, and its share of the time."""

    database: str
    models: str
    share: float


PARTS = (Part("sqlite", "fake", 0.4), Part("postgresql", "fake", 0.4), Part("sqlite", "demo", 0.2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every part: 0 when all of them held."""
    options = _options(arguments)
    seed = options.seed if options.seed is not None else int(time.time())
    reports, failed = [], 0
    for number, part in enumerate(PARTS):
        status, report = _run(part, seed + number, options)
        if report is not None:
            reports.append(report)
        failed += status not in (0, NO_SERVER)
    if options.record and not failed:
        figures.record(reports)
    print(f"{len(reports)} of {len(PARTS)} parts ran, {failed} of them failed")
    return min(failed, 1)


def _run(part: Part, seed: int, options: argparse.Namespace) -> tuple[int, dict[str, Any] | None]:
    """In a process of its own, because each has a mount namespace of its own."""
    print(f"\n== {part.database}, {part.models} models", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        chosen = {
            "seed": seed,
            "seconds": part.share * options.seconds,
            "pace": options.pace,
            "database": part.database,
            "models": part.models,
            "faults": options.faults,
            "report": report,
        }
        words = [f"--{name}={value}" for name, value in chosen.items()]
        status = subprocess.run([sys.executable, "-m", "tests.chaos", *words], check=False).returncode
        return status, json.loads(report.read_text("utf-8")) if report.exists() else None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos OPTIONS=...", description="Breaks a system at random.")
    parser.add_argument("--seed", type=int, help="from which the faults follow; a new one")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long faults happen, of all parts")
    parser.add_argument("--pace", type=float, default=1.0, help="pauses so many times as long; 2 if slow")
    parser.add_argument("--faults", default="", help="the kinds that may happen, separated by commas; all")
    parser.add_argument("--record", action="store_true", help="keep the figures for the documentation")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
