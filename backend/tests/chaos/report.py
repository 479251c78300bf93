"""What a run has shown: as JSON for machines, as text for people, as rows for the documentation."""

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.client import Answers
from tests.chaos.plan import KINDS, Event
from tests.chaos.run import Outcome
from tests.chaos.system import LEASE_S

Report = dict[str, Any]

RESULTS = ("frames", "vectors", "annotations")


def as_json(
    outcome: Outcome,
    *,
    seed: int,
    seconds: float,
    pace: float,
    database: str,
    models: str,
    left_out: Mapping[str, str],
) -> Report:
    """All figures of a run."""
    findings, feeder, still = outcome.findings, outcome.feeder, outcome.watch.stillness
    kinds = Counter(each.event.kind for each in outcome.inflicted if each.who != "nobody was there")
    counts = dict(sorted(findings.counts.items()))
    return {
        "seed": seed,
        "seconds": seconds,
        "pace": pace,
        "database": database,
        "models": models,
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "lease_s": LEASE_S,
        "start_s": round(outcome.start_s, 1),
        "faults": {kind.name: kinds[kind.name] for kind in KINDS if kinds[kind.name]},
        "left_out": dict(left_out),
        "rounds": len(feeder.rounds),
        "counts": counts,
        "gave_up": outcome.gave_up,
        "retried": feeder.retried,
        "set_aside": findings.set_aside,
        "bound_s": round(outcome.bound_s, 1),
        "still_after_fault_s": {q.value: round(s.after_fault_s, 1) for q, s in still.items()},
        "still_in_all_s": {q.value: round(s.in_all_s, 1) for q, s in still.items()},
        "settle_s": round(outcome.settle_s, 1),
        "users": {
            user.name: _answers(user.answers) for user in (outcome.feeder, outcome.asker, outcome.searcher)
        },
        "events": [str(each) for each in outcome.inflicted],
        "violations": findings.violations,
    }


def as_text(report: Report) -> str:
    """For the terminal."""
    counts = report["counts"]
    chunks = {
        name.removeprefix("chunks on "): n for name, n in counts.items() if name.startswith("chunks on")
    }
    starts = {
        name.removeprefix("chunks "): n for name, n in counts.items() if name.startswith("chunks started")
    }
    still, in_all = report["still_after_fault_s"], max(report["still_in_all_s"].values())
    lines = [
        f"seed {report['seed']}, {report['seconds']:g} s, pace {report['pace']:g}, {report['database']}, "
        f"models {report['models']}",
        f"faults       {sum(report['faults'].values())}: {_listed(report['faults'])}",
        *(f"left out     {name}: {reason}" for name, reason in report["left_out"].items()),
        f"chunks       {sum(chunks.values())}: {_listed(chunks)}; {_listed(starts)}",
        f"results      {_listed({what: counts.get(what, 0) for what in RESULTS})}",
        f"stood still  {', '.join(f'{queue} {seconds:g} s' for queue, seconds in still.items())}"
        f" at most after a fault; allowed are {report['bound_s']:g} s; {in_all:g} s with faults in between",
        f"settled      {report['settle_s']:g} s after the last fault",
        *(f"{name:<12} {_heard(answers)}" for name, answers in report["users"].items()),
        *(f"set aside    {line}" for line in report["set_aside"]),
        *(f"retried      {line}" for line in report["retried"]),
        *(f"up gave up   {line}" for line in report["gave_up"]),
        *(f"VIOLATION    {line}" for line in report["violations"]),
        "all that was asked is there, once" if not report["violations"] else "FAILED",
    ]
    return "\n".join(lines)


def plan_as_text(events: Sequence[Event]) -> str:
    """What will happen."""
    return "\n".join(f"  {event}" for event in events)


def _answers(answers: Answers) -> Report:
    return {
        "answers": answers.n_good,
        "refusals": dict(sorted(answers.refusals.items())),
        "longest_silence_s": round(answers.longest_silence_s, 1),
    }


def _heard(answers: Report) -> str:
    refused = _listed(answers["refusals"]) or "none"
    silence = f"longest silence {answers['longest_silence_s']:g} s"
    return f"{answers['answers']} answers, {silence}, refused: {refused}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())
