"""Runs the chaos suite: ``python -m tests.chaos --seed 7 --seconds 60 --database sqlite``."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import parts, plan, report, small_disk
from tests.chaos.clock import SteppedClock, find_compiler
from tests.chaos.plan import Kind
from tests.chaos.run import Run, make_place, remove_place
from tests.chaos.system import Place, System
from tests.support.postgres import Server, find_binaries

_DISK_MEGABYTES = 256
NO_SERVER = 3
"""The exit status where the database is not to be had."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it once: 0 when all held, 1 when something did not, 3 when the database is not to be had."""
    options = _options(arguments)
    binaries = find_binaries() if options.database == "postgresql" else None
    if options.database == "postgresql" and binaries is None:
        print("no PostgreSQL server is installed (apt-get install postgresql)", file=sys.stderr)
        return NO_SERVER
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="komadori-chaos-"))
    place = Place(folder, None, None, None, "", options.models)
    try:
        left_out = _furnish(place)
        place.server = (
            Server(binaries, environment=place.clock.environment if place.clock else {}) if binaries else None
        )
        return _run(place, options, left_out)
    finally:
        if place.server is not None:
            place.server.close()
        if not options.keep:
            remove_place(place)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="from which the faults follow; a new one"
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults happen")
    parser.add_argument("--pace", type=float, default=1.0, help="pauses so many times as long; 2 if slow")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--faults", default="", help="the kinds that may happen, separated by commas; all")
    parser.add_argument("--models", choices=("fake", "demo"), default="fake")
    parser.add_argument("--rounds", type=int, default=8, help="how many videos are at work at once")
    parser.add_argument("--report", type=Path, help="a file for the report as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the home and the logs")
    return parser.parse_args(arguments)


def _furnish(place: Place) -> dict[str, str]:
    """Make what the place stands on: what cannot be had, and why."""
    make_place(place.folder)
    place.import_path = parts.install(place.folder / "packages")
    left_out = {}
    try:
        place.disk = small_disk.mount(place.home, _DISK_MEGABYTES)
    except OSError as error:
        left_out["small-disk"] = f"no small disk can be mounted: {error.strerror}"
    compiler = find_compiler()
    if compiler is None:
        left_out["stepped-clock"] = "there is no C compiler"
    else:
        place.clock = SteppedClock(place.folder, compiler)
    return left_out


def _run(place: Place, options: argparse.Namespace, left_out: dict[str, str]) -> int:
    kinds, missing = _possible(
        plan.chosen([name for name in options.faults.split(",") if name]), place, left_out
    )
    events = plan.make(options.seed, options.seconds, kinds, options.pace)
    events = [event for event in events if event.kind not in missing]
    print(f"seed {options.seed}, {len(events)} faults in {options.seconds:g} s, in {place.folder}")
    print(report.plan_as_text(events), flush=True)
    server = place.server
    system = System(place, server.new_database(is_empty=True) if server else None)
    began_s = time.monotonic()
    outcome = Run(
        system,
        events,
        options.seconds,
        lambda words: print(f"[{time.monotonic() - began_s:6.1f}] {words}", flush=True),
        rounds_at_once=options.rounds,
        keeps=options.keep,
    ).go()
    found = report.as_json(
        outcome,
        seed=options.seed,
        seconds=options.seconds,
        pace=options.pace,
        database=options.database,
        models=options.models,
        left_out=missing,
    )
    if options.report is not None:
        options.report.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(report.as_text(found), flush=True)
    return 1 if found["violations"] else 0


def _possible(
    kinds: Sequence[Kind], place: Place, left_out: dict[str, str]
) -> tuple[list[Kind], dict[str, str]]:
    """The kinds to plan with, and why some of them cannot happen.

    What this machine lacks is planned and then left out, so that the others happen as they do elsewhere.
    """
    planned = [kind for kind in kinds if place.server or kind.needs != "postgresql"]
    lacking = {**left_out, **({} if place.server else {"postgresql": "the database is no server"})}
    return planned, {kind.name: lacking[kind.needs] for kind in kinds if kind.needs in lacking}


def _end(_number: int, _frame: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
