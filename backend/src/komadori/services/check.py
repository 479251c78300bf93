"""Verifies the whole store, while the system runs or while it is stopped, and changes nothing.

What is being written at the moment looks like a fault for a while: files are written before
the rows that name them, and a lost chunk is taken back seconds later. So whatever is found is
looked at once more after a pause, and only what is found twice counts.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from komadori.core import disk
from komadori.core.types import JsonDict
from komadori.services.audit.annotations import look_at_annotations, look_at_runs
from komadori.services.audit.database import look_at_database, look_at_references
from komadori.services.audit.files import look_at_blobs, look_at_leftovers
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.frames import look_at_frames, look_at_samplings
from komadori.services.audit.jobs import look_at_chunks, look_at_jobs, look_at_workers
from komadori.services.audit.look import SAFE_AGE_S, Look, Part, Store
from komadori.services.audit.vectors import look_at_indexes, look_at_vectors

PAUSE_S = 5.0
"""Between two looks: more than the reaper of the API needs to put things right."""

MAX_NAMED = 1000
"""So many findings of a kind are named; the others are counted."""

_PARTS: Mapping[str, Part] = {
    "references": look_at_references,
    "jobs": look_at_jobs,
    "chunks": look_at_chunks,
    "workers": look_at_workers,
    "frames": look_at_frames,
    "samplings": look_at_samplings,
    "annotations": look_at_annotations,
    "runs": look_at_runs,
    "vectors": look_at_vectors,
    "indexes": look_at_indexes,
    "files": look_at_blobs,
    "leftovers": look_at_leftovers,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a check has found.

    Attributes:
        findings: What is wrong; at most ``MAX_NAMED`` of a kind.
        counts: How many there are of each kind.
        seen: How many things of each sort were looked at.
        young: How many files of each sort have no row, and are too new to be judged.
    """

    findings: Sequence[Finding]
    counts: Mapping[Kind, int]
    seen: Mapping[str, int]
    young: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_json(self) -> JsonDict:
        """As `komadori check --json` prints it."""
        return {
            "is_clean": self.is_clean,
            "counts": {kind.value: n for kind, n in self.counts.items()},
            "findings": [finding.as_json() for finding in self.findings],
            "seen": dict(self.seen),
            "too_new_to_judge": dict(self.young),
        }


def check(
    store: Store,
    *,
    is_deep: bool = False,
    age_s: float = SAFE_AGE_S,
    pause_s: float | None = None,
    on_part: Callable[[str], None] = lambda _part: None,
) -> Report:
    """Look at everything that is stored; seconds for 100,000 frames, in bounded memory.

    Args:
        store: What to look at.
        is_deep: Also read every picture and compare it with the ledger, and make every code of the
            indexes again.
        age_s: What nothing names counts as left behind when nobody has touched it for so long; 0 is
            for a store that nobody uses.
        pause_s: Before the second look at what was found; ``PAUSE_S`` when not given.
        on_part: Hears what is being looked at.

    Raises:
        StorageError: The database or the files cannot be read.
    """
    with disk.storage_errors("look at what is stored"):
        return _look_twice(store, is_deep, age_s, PAUSE_S if pause_s is None else pause_s, on_part)


def _look_twice(
    store: Store, is_deep: bool, age_s: float, pause_s: float, on_part: Callable[[str], None]
) -> Report:
    look = Look(store, is_deep, age_s)
    on_part("database")
    first = _Found(look_at_database(look))
    if first.named:
        return _report(look, [first])
    found = {name: _Found(_heard(name, part, look, on_part)) for name, part in _PARTS.items()}
    suspicious = {name: before for name, before in found.items() if before.named}
    if not suspicious:
        return _report(look, [])
    time.sleep(pause_s)
    again = Look(store, is_deep, age_s)
    return _report(
        look,
        [_Found(_heard(name, _PARTS[name], again, on_part), before) for name, before in suspicious.items()],
    )


def _heard(name: str, part: Part, look: Look, on_part: Callable[[str], None]) -> Iterator[Finding]:
    on_part(name)
    yield from part(look)


class _Found:
    """What one part has found; with ``before``, only what was found then as well."""

    def __init__(self, findings: Iterator[Finding], before: "_Found | None" = None) -> None:
        self.named: dict[tuple[Kind, str], Finding] = {}
        self.counts: Counter[Kind] = Counter()
        for finding in findings:
            if before is None or finding.key in before.named or before.counts[finding.kind] > MAX_NAMED:
                self.counts[finding.kind] += 1
                if self.counts[finding.kind] <= MAX_NAMED:
                    self.named[finding.key] = finding


def _report(look: Look, found: Sequence[_Found]) -> Report:
    counts: Counter[Kind] = Counter()
    for part in found:
        counts.update(part.counts)
    return Report(
        [finding for part in found for finding in part.named.values()], counts, look.seen, look.young
    )
