"""Real processes that share a card: they never overlap, they alternate, and a death frees the card."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from komadori.core.device_turns import DeviceTurns
from komadori.core.file_lock import lock_folder
from tests.support.workers import wait_until

BACKEND = Path(__file__).parents[2]


class Takers:
    """Processes that take turns or seats, and what they wrote."""

    def __init__(self, root: Path) -> None:
        self.folder = lock_folder(root)
        self.record = root / "record"
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, label: str, *, work_s: float = 0.0, n: int = 0) -> "subprocess.Popen[str]":
        arguments = (self.folder, self.record, label, work_s, n)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.turn_taker", *map(str, arguments)],
            cwd=BACKEND,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def kill(self, process: "subprocess.Popen[str]") -> None:
        process.kill()
        process.wait()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def events(self) -> list[tuple[str, str]]:
        """(label, begin or end) in the order in which they were written."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def n_turns(self, label: str) -> int:
        return self.events().count((label, "end"))

    def wait_for(self, label: str, n: int) -> None:
        wait_until(lambda: self.n_turns(label) >= n, 60, f"turn {n} of {label}")


@pytest.fixture
def takers(tmp_path: Path) -> Iterator[Takers]:
    started = Takers(tmp_path)
    yield started
    started.close()


def assert_no_overlap(events: list[tuple[str, str]], killed: Collection[str]) -> None:
    """After a begin comes its own end; only that of a killed process may be missing."""
    for (label, what), (next_label, next_what) in pairwise(events):
        if what == "begin" and (next_label, next_what) != (label, "end"):
            assert label in killed, f"{next_label} came into the turn of {label}"
            assert next_what == "begin"
        if what == "end":
            assert next_what == "begin"


def test_two_that_always_want_the_card_alternate(takers: Takers) -> None:
    for label in ("siglip", "sam3"):
        takers.start(label, work_s=0.005)
    takers.wait_for("siglip", 1)
    takers.wait_for("sam3", 1)
    started = len(takers.events())
    takers.wait_for("sam3", takers.n_turns("sam3") + 40)
    takers.close()

    events = takers.events()
    assert_no_overlap(events, {"siglip", "sam3"})
    turns = [label for label, what in events[started:] if what == "begin"]
    repeated = sum(first == second for first, second in pairwise(turns))
    assert repeated <= len(turns) // 10, f"{repeated} of {len(turns)} turns followed one of their own"


def test_none_of_four_starves_and_kills_break_nothing(takers: Takers) -> None:
    labels = ["a", "b", "c", "d"]
    for label in labels:
        takers.start(label, work_s=0.002)
    killed: set[str] = set()
    for number in range(4):
        for label in labels:
            takers.wait_for(label, takers.n_turns(label) + 3)
        victim = takers.processes[number]
        victim.kill()
        victim.wait()
        killed.add(labels[number])
        labels[number] = f"{labels[number]}-again"
        takers.start(labels[number], work_s=0.002)
    takers.close()

    assert_no_overlap(takers.events(), killed | set(labels))


def test_a_killed_holder_frees_the_card(takers: Takers) -> None:
    turns = DeviceTurns(takers.folder, "card")
    holder = takers.start("sam3", work_s=600, n=1)
    wait_until(lambda: takers.events() == [("sam3", "begin")], 30, "holder")  # it has told its name by now
    told = turns.holder()
    assert told is not None
    assert (told.label, told.pid, told.host) == ("sam3", holder.pid, os.uname().nodename)

    takers.kill(holder)
    assert turns.holder() is None
    with turns.turn():
        assert turns.n_turns == 1


def test_a_stopped_holder_keeps_the_card_until_it_is_killed(takers: Takers) -> None:
    holder = takers.start("sam3", work_s=600, n=1)
    wait_until(lambda: takers.events() == [("sam3", "begin")], 30, "holder")
    holder.send_signal(signal.SIGSTOP)
    wait_until(lambda: _is_stopped(holder.pid), 10, "stopped process")

    other = takers.start("siglip", n=1)
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(2)
    takers.kill(holder)
    assert other.wait(30) == 0
    assert takers.events() == [("sam3", "begin"), ("siglip", "begin"), ("siglip", "end")]


def test_workers_of_a_queue_spread_over_the_cards_they_see(takers: Takers) -> None:
    indices = [_seat_of(takers.start("sam3", n=-3)) for _ in range(5)]
    assert indices == [0, 1, 2, 0, 1]


def test_another_queue_takes_the_card_with_the_fewest(takers: Takers) -> None:
    assert _seat_of(takers.start("sam3", n=-2)) == 0
    assert _seat_of(takers.start("siglip", n=-2)) == 1
    assert _seat_of(takers.start("siglip", n=-2)) == 0


def test_the_seat_of_a_killed_worker_is_free_for_the_next(takers: Takers) -> None:
    first = takers.start("sam3", n=-2)
    assert _seat_of(first) == 0
    assert _seat_of(takers.start("sam3", n=-2)) == 1
    takers.kill(first)
    assert _seat_of(takers.start("sam3", n=-2)) == 0


def _seat_of(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def _is_stopped(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"
