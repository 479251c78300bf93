"""A plan follows from its seed, and has everything in it."""

from collections import Counter

import pytest

from tests.chaos import faults, plan
from tests.chaos.plan import KINDS, Event
from tests.chaos.test_chaos import PACE, SECONDS, SEEDS


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan.make(7, 60, KINDS) == plan.make(7, 60, KINDS)
    assert plan.make(7, 60, KINDS) != plan.make(8, 60, KINDS)


def test_every_kind_comes_before_one_comes_twice() -> None:
    names = [event.kind for event in plan.make(7, 600, KINDS)]

    for start in range(0, len(names) - len(KINDS), len(KINDS)):
        assert len(set(names[start : start + len(KINDS)])) == len(KINDS)


def test_no_fault_overlaps_with_one_of_its_kind() -> None:
    over_s: dict[str, float] = {}
    for event in plan.make(7, 600, KINDS):
        assert event.at_s >= over_s.get(event.kind, 0.0) - 0.02
        over_s[event.kind] = event.at_s + event.lasts_s


def test_a_fault_hits_one_of_its_victims_for_a_time_that_is_allowed() -> None:
    kinds = {kind.name: kind for kind in KINDS}
    for event in plan.make(7, 600, KINDS):
        kind = kinds[event.kind]
        shortest_s, longest_s = kind.lasts_s or (0.0, 0.0)
        assert event.victim in kind.victims
        assert shortest_s <= event.lasts_s <= longest_s


def test_each_kind_can_be_inflicted() -> None:
    assert faults.kinds() == {kind.name for kind in KINDS}


def short_cut(database: str) -> list[Event]:
    kinds = [kind for kind in KINDS if database == "postgresql" or kind.needs != "postgresql"]
    return plan.make(SEEDS[database], SECONDS, kinds, PACE)


def test_the_short_cut_has_every_kind() -> None:
    planned = {event.kind for database in SEEDS for event in short_cut(database)}

    assert planned == {kind.name for kind in KINDS}


@pytest.mark.parametrize("database", SEEDS)
def test_the_short_cut_takes_no_chunk_for_poison(database: str) -> None:
    """Two attempts of a chunk may be ended by faults; the third is its own."""
    ended = Counter[str]()
    for event in short_cut(database):
        if event.kind in ("kill-worker", "kill-parent", "kill-child"):
            ended[event.victim] += 1
        elif event.kind == "kill-all":
            ended.update(plan.WORKERS)
        elif event.kind in ("kill-decoder", "fill-disk"):
            ended["default"] += 1

    assert max(ended.values()) <= 2


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="no such fault: earthquake"):
        plan.chosen(["kill-child", "earthquake"])
