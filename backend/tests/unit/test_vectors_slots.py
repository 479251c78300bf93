"""The table of ids and slots."""

import numpy as np

from komadori.vectors._files import FORGOTTEN
from komadori.vectors._slots import SlotTable


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_unknown_ids_have_no_slot() -> None:
    assert SlotTable().slots_of(ints(1, 2)).tolist() == [FORGOTTEN, FORGOTTEN]


def test_a_change_hides_what_was_before_and_leaves_the_old_table_alone() -> None:
    before = SlotTable().changed(ints(1, 5, 9), ints(0, 1, 2))
    after = before.changed(ints(0, 5, 9), ints(3, 4, FORGOTTEN))

    assert after.slots_of(ints(9, 5, 1, 0, 7)).tolist() == [FORGOTTEN, 4, 0, 3, FORGOTTEN]
    assert before.slots_of(ints(9, 5, 1, 0)).tolist() == [2, 1, 0, FORGOTTEN]


def test_many_changes_equal_a_dictionary() -> None:
    random, table, expected = np.random.default_rng(0), SlotTable(), dict[int, int]()
    for turn in range(60):
        ids = np.unique(random.integers(0, 20_000, 500))
        slots = np.where(random.random(len(ids)) < 0.2, FORGOTTEN, turn * 1000 + np.arange(len(ids)))
        table = table.changed(ids, slots)
        expected.update(zip(ids.tolist(), slots.tolist(), strict=True))

    everything = np.arange(20_000)
    assert table.slots_of(everything).tolist() == [expected.get(i, FORGOTTEN) for i in range(20_000)]
    assert len(table.ids) > 10_000 > len(table.recent_ids)
    assert FORGOTTEN not in table.slots
