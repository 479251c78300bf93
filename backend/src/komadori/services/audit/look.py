"""What one look at the store sees, and by what it judges."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from komadori.core.types import EmbeddingSpace, Queue
from komadori.db.session import Sessions
from komadori.services.audit.findings import Finding
from komadori.vectors.base import VectorIndex

SAFE_AGE_S = 24 * 3600.0
"""What nothing names counts as left behind once nobody has touched it for a day: no work lasts so long."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where everything is that is stored; made by the bootstrap, which makes no folder and no file for it.

    ``waiting_hints`` tells how many messages wait in the broker, None when it does not answer.
    """

    home: Path
    models: Path
    broker_socket: Path
    sessions: Sessions
    index_of: Callable[[EmbeddingSpace], VectorIndex]
    waiting_hints: Callable[[], Mapping[Queue, int] | None]
    lease_s: float

    @property
    def blobs(self) -> Path:
        """The folder of the blob store."""
        return self.home / "blobs"

    @property
    def vectors(self) -> Path:
        """The folder of the vector indexes."""
        return self.home / "vectors"


@dataclass(frozen=True, slots=True)
class Look:
    """One look: at which store, how closely, and how old a thing must be to count as left behind.

    ``seen`` counts what was looked at, ``young`` what nothing names and what is too new to be judged.
    """

    store: Store
    is_deep: bool = False
    age_s: float = SAFE_AGE_S
    now_s: float = field(default_factory=time.time)
    seen: Counter[str] = field(default_factory=Counter)
    young: Counter[str] = field(default_factory=Counter)

    def is_old(self, path: Path, what: str) -> bool:
        """Whether nobody has touched a file or a folder for long; False when it is gone.

        The time of the last change of its name or its rights counts as well: what was just moved
        there is new.
        """
        try:
            stat = path.lstat()
        except OSError:
            return False
        if max(stat.st_mtime, stat.st_ctime) <= self.now_s - self.age_s:
            return True
        self.young[what] += 1
        return False

    def is_left(self, path: Path, what: str) -> bool:
        """Whether neither a folder nor anything in it has been touched for long; False when it is gone."""
        try:
            return self.is_old(path, what) and all(self.is_old(inner, what) for inner in path.rglob("*"))
        except FileNotFoundError:
            return False

    def name(self, path: Path) -> str:
        """A file of the home, as people are told of it."""
        return path.relative_to(self.store.home).as_posix()


Part = Callable[[Look], Iterator[Finding]]
"""Looks at one part of the store; to be run again for a second look."""
