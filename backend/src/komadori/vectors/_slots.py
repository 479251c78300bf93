"""Which slot an id has: two sorted arrays, the second one short, so that additions stay cheap."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from komadori.vectors._files import FORGOTTEN

_Ints = NDArray[np.int64]

_MIN_RECENT = 4096
_RECENT_SHARE = 16


def _empty() -> _Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class SlotTable:
    """An immutable map from id to slot.

    Attributes:
        ids: (N,) sorted, with their ``slots`` (N,).
        recent_ids: (M,) sorted, with their ``recent_slots``; they go before ``ids``. A slot of
            FORGOTTEN hides the id. M is small against N, and what an addition costs depends on M.
    """

    ids: _Ints = field(default_factory=_empty)
    slots: _Ints = field(default_factory=_empty)
    recent_ids: _Ints = field(default_factory=_empty)
    recent_slots: _Ints = field(default_factory=_empty)

    def slots_of(self, ids: _Ints) -> _Ints:
        """The slot of each id, FORGOTTEN for those that have none."""
        found = np.full(len(ids), FORGOTTEN, np.int64)
        for known, slots in ((self.ids, self.slots), (self.recent_ids, self.recent_slots)):
            at, is_known = _locate(known, ids)
            found[is_known] = slots[at[is_known]]
        return found

    def changed(self, ids: _Ints, slots: _Ints) -> "SlotTable":
        """The table after distinct, sorted ``ids`` got ``slots``."""
        recent_ids, recent_slots = _merged(self.recent_ids, self.recent_slots, ids, slots)
        if len(recent_ids) <= max(_MIN_RECENT, len(self.ids) // _RECENT_SHARE):
            return SlotTable(self.ids, self.slots, recent_ids, recent_slots)
        all_ids, all_slots = _merged(self.ids, self.slots, recent_ids, recent_slots)
        is_there = all_slots != FORGOTTEN
        return SlotTable(all_ids[is_there], all_slots[is_there])


def _locate(known: _Ints, ids: _Ints) -> tuple[_Ints, NDArray[np.bool_]]:
    """Where each id stands or would stand in ``known``, and whether it is there."""
    at = np.searchsorted(known, ids)
    is_known = np.zeros(len(ids), np.bool_)
    inside = at < len(known)
    is_known[inside] = known[at[inside]] == ids[inside]
    return at, is_known


def _merged(old_ids: _Ints, old_slots: _Ints, ids: _Ints, slots: _Ints) -> tuple[_Ints, _Ints]:
    at, is_known = _locate(old_ids, ids)
    kept_slots = old_slots.copy()
    kept_slots[at[is_known]] = slots[is_known]
    new = ~is_known
    return np.insert(old_ids, at[new], ids[new]), np.insert(kept_slots, at[new], slots[new])
