"""The figures of the last recorded run: a JSON file, and the same as a table in the documentation."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
RESULTS = _ROOT / "backend" / "benchmarks" / "chaos.json"
PAGE = _ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_LEFT_OUT = {"events"}
"""Too long to keep; they follow from the seed."""

_FOLDER = re.compile(r"/\S*/komadori-chaos-\w+")
"""That of a run, which is gone."""


def record(reports: Sequence[Mapping[str, Any]]) -> None:
    """Keep the figures of a suite that held, and write them into the documentation."""
    kept = [{name: value for name, value in report.items() if name not in _LEFT_OUT} for report in reports]
    text = json.dumps(kept, indent=2, ensure_ascii=False)
    RESULTS.write_text(_FOLDER.sub("…", text) + "\n", "utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{as_markdown(kept)}\n{END}{after}", "utf-8")


def recorded() -> list[dict[str, Any]]:
    """The figures that were kept."""
    kept: list[dict[str, Any]] = json.loads(RESULTS.read_text("utf-8"))
    return kept


def as_markdown(reports: Sequence[Mapping[str, Any]]) -> str:
    """Two tables: what was done to the system in each run, and what came of it."""
    heads = [f"{report['database']}, {report['models']} models" for report in reports]
    rows = {
        "seed, pace": [f"{report['seed']}, {report['pace']:g}" for report in reports],
        "faults, over": [f"{sum(r['faults'].values())} in {r['seconds']:g} s" for r in reports],
        "chunks on default / siglip / sam3": [_chunks(report) for report in reports],
        "of them started more than once": [str(_n_started_again(report)) for report in reports],
        "frames, vectors, annotations": [_results(report) for report in reports],
        "lost, doubled or wrong": [str(len(report["violations"])) for report in reports],
        "longest stand of a queue after a fault": [_longest(report) for report in reports],
        "queued again by the user": [str(len(report["retried"])) for report in reports],
        "set aside by name": [str(len(report["set_aside"])) for report in reports],
        "answers of the API, refused": [_answers(report) for report in reports],
    }
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report["faults"])
    lines = [_row("", *heads), _row("---", *("---" for _ in heads))]
    lines += [_row(name, *cells) for name, cells in rows.items()]
    lines += [
        "",
        "Faults of all runs together: "
        + ", ".join(f"{n} `{name}`" for name, n in sorted(faults.items()))
        + ".",
    ]
    lines += [
        f"Left out: `{name}` ({why})."
        for report in reports
        for name, why in report["left_out"].items()
        if why != "the database is no server"
    ]
    lines += ["", f"Machine: {reports[0]['machine']}, shared with other work."]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _chunks(report: Mapping[str, Any]) -> str:
    return " / ".join(str(report["counts"].get(f"chunks on {q}", 0)) for q in ("default", "siglip", "sam3"))


def _n_started_again(report: Mapping[str, Any]) -> int:
    counts: Mapping[str, int] = report["counts"]
    first = "chunks started 1 times"
    return sum(n for name, n in counts.items() if name.startswith("chunks started") and name != first)


def _results(report: Mapping[str, Any]) -> str:
    return ", ".join(f"{report['counts'].get(what, 0):,}" for what in ("frames", "vectors", "annotations"))


def _longest(report: Mapping[str, Any]) -> str:
    return f"{max(report['still_after_fault_s'].values()):.0f} s (allowed: {report['bound_s']:.0f} s)"


def _answers(report: Mapping[str, Any]) -> str:
    users = report["users"].values()
    n_refused = sum(sum(user["refusals"].values()) for user in users)
    return f"{sum(user['answers'] for user in users):,}, {n_refused:,}"
