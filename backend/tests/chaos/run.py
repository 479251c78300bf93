"""One run: start the system, feed it, let the faults of the plan happen, wait until it is quiet, examine."""

import heapq
import itertools
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos import faults, oracle, parts, settled
from tests.chaos.client import Asker, Feeder, Round, Searcher
from tests.chaos.clips import Clip, make_broken, make_clips, make_poison
from tests.chaos.plan import Event
from tests.chaos.system import LEASE_S, Place, System
from tests.chaos.truth import Truth
from tests.chaos.watch import Watch

_LONGEST_RESTART_PAUSE_S = 30.0
"""After many deaths in a row ``komadori up`` waits so long before it starts a part again."""

_HINT_S = 5.0
"""Until a hint that was lost is sent again: three seconds, and a round of the reaper."""

_VICTIM_S = 10.0
"""So long a fault waits for a victim, which may just be starting again."""

_LOOK_EVERY_S = 0.25

_FULL = ("No space left", "disk is full")
"""What a job may fail for, so that a person has to queue it again."""

_PATIENCE_S = 10.0
"""How long an owner on the same machine that is silent may take to come back."""


@dataclass(frozen=True, slots=True)
class Inflicted:
    """A fault that happened: when it was due, when it came, and whom it hit."""

    event: Event
    came_s: float
    who: str

    def __str__(self) -> str:
        return f"{self.event}: {self.who}"


@dataclass(slots=True)
class Outcome:
    """All that a run has shown."""

    start_s: float
    bound_s: float
    inflicted: list[Inflicted]
    feeder: Feeder
    asker: Asker
    searcher: Searcher
    watch: Watch
    settle_s: float
    findings: oracle.Findings
    gave_up: list[str]


class Keeper(threading.Thread):
    """Starts `komadori up` again when it has ended, as systemd or the engine of containers would."""

    def __init__(self, system: System) -> None:
        super().__init__(name="keeper", daemon=True)
        self._system = system
        self._must_end = threading.Event()
        self.gave_up: list[str] = []
        """What it said each time that it ended by itself."""

    def run(self) -> None:
        while not self._must_end.wait(0.5):
            status = self._system.running.process.poll()
            if status is None:
                continue
            if status != -signal.SIGKILL:
                self.gave_up.append(self._system.last_words())
            self._system.start()

    def end(self) -> None:
        """Let it end for good from now on."""
        self._must_end.set()
        if self.is_alive():
            self.join()


class Agenda:
    """What is to be done when, in seconds since the beginning."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def now_s(self) -> float:
        """The time."""
        return time.monotonic() - self._began_s

    def add(self, at_s: float, act: Callable[[], None]) -> None:
        """Plan something; what it does may plan more."""
        heapq.heappush(self._due, (at_s, next(self._order), act))

    def work_off(self) -> None:
        """Do everything when it is due."""
        while self._due:
            due_s, _, act = heapq.heappop(self._due)
            time.sleep(max(0.0, due_s - self.now_s))
            act()


@dataclass(slots=True)
class Run:
    """One system and one plan.

    Attributes:
        system: Not started yet.
        events: What is to happen.
        seconds: How long work is added.
        say: Hears of each step, for people.
        rounds_at_once: How many videos are at work at once.
        keeps: Whether the home is copied to where it outlives this process.
    """

    system: System
    events: Sequence[Event]
    seconds: float
    say: Callable[[str], None]
    rounds_at_once: int
    keeps: bool = False
    keeper: Keeper = field(init=False)
    _inflicted: list[Inflicted] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.system)

    def go(self) -> Outcome:
        """Do all of it; the system is stopped at the end, whatever happens."""
        try:
            return self._go()
        finally:
            self._end_all()

    def _go(self) -> Outcome:
        self.system.start()
        start_s = self.system.wait_ready()
        self.say(f"ready after {start_s:.1f} s")
        bound_s = self._bound_s(start_s)
        began_s = time.monotonic()
        watch = Watch(self.system, began_s)
        feeder = Feeder(self.system, self._rounds(), self.rounds_at_once)
        asker, searcher = Asker(self.system, "asker"), Searcher(self.system, "searcher")
        for thread in (self.keeper, watch, feeder, asker, searcher):
            thread.start()
        self._inflict(Agenda(began_s), watch)
        feeder.is_feeding = False
        settle_s = self._settle(feeder, bound_s)
        watch.end()
        for user in (feeder, asker, searcher):
            user.end()
        self._check_quiet(bound_s)
        self.keeper.end()
        self._stop()
        accepted = feeder.accepted | asker.accepted
        findings = self._examine(feeder.rounds, accepted)
        self._check_bounds(findings, watch, bound_s)
        for line in feeder.retried:
            findings.expect(any(words in line for words in _FULL), f"{line}; no full disk was the reason")
        return Outcome(
            start_s,
            bound_s,
            self._inflicted,
            feeder,
            asker,
            searcher,
            watch,
            settle_s,
            findings,
            self.keeper.gave_up,
        )

    def _bound_s(self, start_s: float) -> float:
        """How long a queue may stand still after a fault.

        A lease may have to run out, its owner be waited for, a part be started again after the longest
        pause and load its model (twice the time of the first start, when nothing else ran), and a hint be
        sent again.
        """
        return LEASE_S + _PATIENCE_S + _LONGEST_RESTART_PAUSE_S + 2 * start_s + _HINT_S

    def _rounds(self) -> Iterator[Round]:
        """What is added, one after the other: copies of the clips, the poison and the broken file early."""
        media = self.system.place.folder / "media"
        clips = make_clips(media)
        poison = make_poison(media)
        yield Round("default", clips[0].path, clips[0])
        yield Round("poison", poison.path, poison)
        yield Round("broken", make_broken(media), None)
        for number, clip in enumerate(itertools.cycle(clips), start=1):
            copy: Clip = clip.copy(media / f"round-{number}.mp4")
            yield Round(f"round-{number}", copy.path, copy)

    def _inflict(self, agenda: Agenda, watch: Watch) -> None:
        """Let everything happen when it is due, and end when it is over."""
        for event in self.events:
            agenda.add(event.at_s, partial(self._begin, agenda, watch, event))
        agenda.work_off()
        time.sleep(max(0.0, self.seconds - agenda.now_s))

    def _begin(self, agenda: Agenda, watch: Watch, event: Event) -> None:
        hit = faults.inflict(self.system, event)
        if hit is faults.NOBODY and agenda.now_s < event.at_s + _VICTIM_S:
            agenda.add(agenda.now_s + _LOOK_EVERY_S, partial(self._begin, agenda, watch, event))
            return
        self._inflicted.append(Inflicted(event, round(agenda.now_s, 2), hit.who))
        self.say(str(self._inflicted[-1]))
        watch.fault()
        if hit.recover is not None:
            agenda.add(agenda.now_s + event.lasts_s, partial(_recover, hit.recover, watch))

    def _settle(self, feeder: Feeder, bound_s: float) -> float:
        """Wait until all that was added is done: how long that took."""
        self.say("no more faults; waiting until all is done")
        began_s = time.monotonic()
        is_quiet = settled.wait_for(
            lambda: feeder.is_done and settled.n_open_chunks(self.system) == 0, 2 * bound_s + 60
        )
        if not is_quiet:
            still_open = [f"{each.project} ({each.phase.name})" for each in feeder.open]
            self._problems.append(
                f"not all was done {2 * bound_s + 60:.0f} s after the last fault: {still_open}"
            )
        return time.monotonic() - began_s

    def _check_quiet(self, bound_s: float) -> None:
        """The broker is empty, and no worker is known that is dead."""
        if not settled.wait_for(lambda: settled.n_messages(self.system) == 0, bound_s):
            self._problems.append(f"{settled.n_messages(self.system)} messages stay in the broker")
        if not settled.wait_for(lambda: not settled.dead_workers(self.system), bound_s):
            self._problems.append(f"dead workers count as living: {settled.dead_workers(self.system)}")

    def _stop(self) -> None:
        status = self.system.stop()
        if status != 0:
            self._problems.append(f"`komadori up` ended with {status}: {self.system.last_words()}")
        if not settled.wait_for(lambda: not self.system.processes(), 20):
            left = [" ".join(process.cmdline()[:4]) for process in self.system.processes()]
            self._problems.append(f"processes that outlived the run: {left}")

    def _examine(self, rounds: Sequence[Round], accepted: set[str]) -> oracle.Findings:
        models = self.system.place.models
        truth = Truth(parts.open_embedder(models), parts.open_segmenter(models))
        with self.system.context() as ctx:
            findings = oracle.examine(ctx, rounds, accepted, truth)
        left = settled.leftovers(self.system)
        findings.expect(not left, f"temporary files that outlived the run: {left}")
        findings.violations += [f"komadori check: {line}" for line in settled.checked(self.system)]
        return findings

    def _check_bounds(self, findings: oracle.Findings, watch: Watch, bound_s: float) -> None:
        findings.violations += self._problems
        for queue, still in watch.stillness.items():
            words = f"queue {queue} stood still for {still.after_fault_s:.0f} s from {still.from_s:.0f} s on"
            findings.expect(still.after_fault_s <= bound_s, f"{words}, more than {bound_s:.0f} s")

    def _end_all(self) -> None:
        """Nothing of the run is left, however it went."""
        self.keeper.end()
        up = self.system.up
        if up is not None and up.process.poll() is None:
            up.process.kill()
            up.process.wait()
        for process in self.system.processes():
            process.kill()
        if self.keeps:
            ignored = shutil.ignore_patterns("*.sock")
            shutil.copytree(self.system.home, self.system.place.folder / "kept", ignore=ignored)


def _recover(recover: Callable[[], None], watch: Watch) -> None:
    recover()
    watch.fault()


def make_place(folder: Path) -> None:
    """The folders of a run; the database server, which is another user, may look into them."""
    folder.chmod(0o755)
    for name in ("disk", "tmp", "media"):
        (folder / name).mkdir()


def remove_place(place: Place) -> None:
    """Take everything away again."""
    if place.disk is not None:
        subprocess.run(["umount", "--lazy", place.home], check=False)
    shutil.rmtree(place.folder, ignore_errors=True)
