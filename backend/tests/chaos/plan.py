"""Which faults happen when, and to whom: all of it follows from the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

WORKERS = ("default", "siglip", "sam3")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: Of the fault, as ``--faults`` takes it.
        what: For people.
        victims: Who may be hit.
        lasts_s: The shortest and the longest time until it is over; None when it is at once.
        needs: What must be there for it: ``small-disk``, ``stepped-clock`` or ``postgresql``.
    """

    name: str
    what: str
    victims: Sequence[str] = ("",)
    lasts_s: tuple[float, float] | None = None
    needs: str | None = None


KINDS = (
    Kind("kill-worker", "SIGKILL for a worker and all that it has started", WORKERS),
    Kind("kill-parent", "SIGKILL for a worker alone; its children are orphans", WORKERS),
    Kind("kill-child", "SIGKILL for a child that runs chunks", WORKERS),
    Kind("kill-decoder", "SIGKILL for a process that decodes a video"),
    Kind("end-worker", "SIGTERM for a worker", WORKERS),
    Kind("stop-worker", "SIGSTOP for a worker and its children, then SIGCONT", WORKERS, (1.0, 12.0)),
    Kind("stop-child", "SIGSTOP for a child that runs chunks, then SIGCONT", WORKERS, (1.0, 12.0)),
    Kind("kill-broker", "SIGKILL for the broker; it comes back with its file"),
    Kind("lose-broker", "SIGKILL for the broker; it comes back without its file"),
    Kind("flush-broker", "the broker forgets every message"),
    Kind("pause-broker", "SIGSTOP for the broker, then SIGCONT", lasts_s=(1.0, 12.0)),
    Kind("lock-database", "another program holds the database locked", lasts_s=(1.0, 10.0)),
    Kind("restart-database", "the database server cuts every connection and starts anew", needs="postgresql"),
    Kind("fill-disk", "no byte is free on the disk of the home", lasts_s=(1.0, 8.0), needs="small-disk"),
    Kind("kill-api", "SIGKILL for the API"),
    Kind("end-api", "SIGTERM for the API"),
    Kind("kill-all", "SIGKILL for `komadori up`, and so for every part; then it is started again"),
    Kind(
        "step-clock",
        "the clock of every process jumps an hour, and back",
        ("ahead", "back"),
        (3.0, 10.0),
        "stepped-clock",
    ),
)
"""What may happen."""

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 6.0
_CALM_S = 15.0
"""After every kind of fault has come once."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fault of a run.

    Attributes:
        at_s: Seconds after the work has begun.
        kind: The name of its kind.
        victim: Who is hit.
        pick: Of several that fit, the one at this position, counted round and round.
        lasts_s: After so long it is over; 0 when it is at once.
    """

    at_s: float
    kind: str
    victim: str
    pick: int
    lasts_s: float

    def __str__(self) -> str:
        span = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:6.1f} s  {self.kind} {self.victim}".rstrip() + span


def make(seed: int, seconds: float, kinds: Sequence[Kind], pace: float = 1.0) -> list[Event]:
    """The faults of a run, in order of time; the same for the same arguments.

    Kinds come like cards from a shuffled deck that is put together anew when it is empty, so
    each of them comes before one comes twice. Faults that last overlap with what follows, but none
    with another of its kind. All pauses are ``pace`` times as long as usual: 2 for a slow machine,
    where a system takes long to start.
    """
    dice = random.Random(f"{seed} {seconds:g} {' '.join(kind.name for kind in kinds)}")
    events: list[Event] = []
    deck: list[Kind] = []
    over_s: dict[str, float] = {}
    now_s = 0.0
    while True:
        now_s += pace * dice.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
        if not deck:
            now_s += pace * _CALM_S if events else 0.0
            deck = list(kinds)
            dice.shuffle(deck)
        kind = deck.pop()
        now_s = max(now_s, over_s.get(kind.name, 0.0))
        if now_s >= seconds:
            return events
        lasts_s = dice.uniform(*kind.lasts_s) if kind.lasts_s else 0.0
        events.append(
            Event(
                round(now_s, 2),
                kind.name,
                dice.choice(list(kind.victims)),
                dice.randrange(100),
                round(lasts_s, 2),
            )
        )
        over_s[kind.name] = now_s + lasts_s


def chosen(names: Sequence[str]) -> list[Kind]:
    """The kinds of these names; all of them when there is no name.

    Raises:
        ValueError: There is no such kind.
    """
    known = {kind.name: kind for kind in KINDS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(KINDS)
