"""What a reader knows of an index at one moment; a new moment is a new view.

Views never change, so searches in several threads need no lock, and a search that runs
while others write sees one state from its beginning to its end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from komadori.vectors._files import FORGOTTEN, IndexFiles
from komadori.vectors._head import Head
from komadori.vectors._segments import Segment
from komadori.vectors._slots import SlotTable

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """A segment with at least one live row.

    Attributes:
        ids: (R,) the id of each row.
        is_live: (R,) whether the row is the one that its id has now.
        rows: (L,) the live rows, ascending.
    """

    segment: Segment
    ids: _Ints
    is_live: NDArray[np.bool_]
    rows: _Ints


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of a part to look at, ascending; all of them live."""

    part: Part
    rows: _Ints

    def only(self, is_wanted: NDArray[np.bool_]) -> "Selection":
        """Those rows at which the mask (L,) is true."""
        return Selection(self.part, self.rows[is_wanted])

    def first(self, n: int) -> "Selection":
        """At most ``n`` of the rows."""
        return Selection(self.part, self.rows[:n])


@dataclass(frozen=True, slots=True)
class View:
    """An index as one head describes it.

    Attributes:
        parts: By number of the segment, ascending; segments without live rows are not there.
    """

    head: Head
    table: SlotTable = field(default_factory=SlotTable)
    parts: Mapping[int, Part] = field(default_factory=dict)

    def count(self) -> int:
        """How many ids have a vector."""
        return sum(len(part.rows) for part in self.parts.values())

    def everything(self) -> list[Selection]:
        """All live rows."""
        return [Selection(part, part.rows) for part in self.parts.values()]

    def select(self, ids: _Ints) -> list[Selection]:
        """The rows of those of the ids that are there, each once."""
        slots = np.sort(self.table.slots_of(ids))
        slots = slots[np.diff(slots, prepend=FORGOTTEN) > 0]  # each once, and none that is forgotten
        grouped = _by_segment(slots, self.head.segment_rows)
        return [Selection(self.parts[index], rows) for index, _, rows in grouped]

    def vectors_at(self, slots: _Ints) -> NDArray[np.float32]:
        """The vectors (N, D) of N live slots, in that order."""
        vectors = np.empty((len(slots), self.head.dim), np.float32)
        for index, positions, rows in _by_segment(slots, self.head.segment_rows):
            vectors[positions] = self.parts[index].segment.vectors[rows]
        return vectors

    def live_pairs(self) -> _Ints:
        """All ids with their slots (N, 2), by slot."""
        size = self.head.segment_rows
        pairs = [
            np.stack([part.ids[part.rows], part.rows + index * size], axis=1)
            for index, part in self.parts.items()
        ]
        return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)

    def followed_to(self, head: Head, files: IndexFiles) -> "View":
        """The view that ``head`` describes, from what was published since this one.

        Raises:
            FileNotFoundError: A still newer head has taken over, read it.
            StorageError: A file is damaged.
        """
        is_same_log = head.generation == self.head.generation
        start = self.head.n_records if is_same_log else 0
        pairs = files.read_log(head.generation, start, head.n_records)
        known = {index: part.segment for index, part in self.parts.items()}
        base = self if is_same_log else View(head)
        ids, slots = _last_of_each(pairs)
        owners = _changed_owners(base, ids, slots)
        parts = dict(base.parts)
        for index in sorted(owners):
            parts.pop(index, None)
            rows = np.flatnonzero(owners[index].is_live)
            if len(rows):
                segment = known.get(index) or files.open_segment(index)
                parts[index] = Part(segment, owners[index].ids, owners[index].is_live, rows)
        return View(head, base.table.changed(ids, slots), dict(sorted(parts.items())))


@dataclass(frozen=True, slots=True)
class _Owners:
    """The columns of a part, while they change."""

    ids: _Ints
    is_live: NDArray[np.bool_]


def _changed_owners(view: View, ids: _Ints, slots: _Ints) -> dict[int, _Owners]:
    """The columns of those segments that change when distinct ``ids`` get ``slots``."""
    size = view.head.segment_rows
    changed: dict[int, _Owners] = {}

    def columns(index: int) -> _Owners:
        if index not in changed:
            part = view.parts.get(index)
            changed[index] = (
                _Owners(part.ids.copy(), part.is_live.copy())
                if part
                else _Owners(np.zeros(size, np.int64), np.zeros(size, np.bool_))
            )
        return changed[index]

    superseded = view.table.slots_of(ids)
    for index, _, rows in _by_segment(superseded[superseded != FORGOTTEN], size):
        columns(index).is_live[rows] = False
    added = slots != FORGOTTEN
    for index, positions, rows in _by_segment(slots[added], size):
        columns(index).ids[rows] = ids[added][positions]
        columns(index).is_live[rows] = True
    return changed


def _last_of_each(pairs: _Ints) -> tuple[_Ints, _Ints]:
    """The distinct ids of a stretch of the log, sorted, and the slot that each has at its end."""
    ids, from_the_end = np.unique(pairs[::-1, 0], return_index=True)
    return ids, pairs[len(pairs) - 1 - from_the_end, 1]


def _by_segment(slots: _Ints, segment_rows: int) -> Iterator[tuple[int, _Ints, _Ints]]:
    """The slots by segment: its number, the positions in ``slots``, and the rows in the segment."""
    order = np.argsort(slots, kind="stable")
    segments = slots[order] // segment_rows
    starts = np.flatnonzero(np.diff(segments, prepend=-1))
    for positions in np.split(order, starts[1:]) if len(starts) else []:
        index = int(slots[positions[0]] // segment_rows)
        yield index, positions, slots[positions] - index * segment_rows
