"""Spreads the workers of a queue over the cards that they see, one to each as long as there are enough.

A worker sits on its card for as long as it lives: a seat is a lock of the kernel, so that of a
killed one is free at once. Copies of one container need no number for this, which compose does not
give them (docker/compose#11863).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from komadori.core.file_lock import FileLock

_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Seat:
    """A place on one of several cards, kept as long as this object's process lives."""

    index: int
    lock: FileLock


def take_seat(folder: Path, queue: str, cards: Sequence[str]) -> Seat:
    """A place on the card with the fewest of the same queue, and of those on the one with the fewest at all.

    Args:
        folder: Where the locks are; all who may use the cards must see the same folder.
        queue: Those of the same queue keep apart.
        cards: The names of the cards that this process sees, one at least, in the order of their indices.

    Raises:
        StorageError: The lock files cannot be opened.
    """
    choosing = FileLock(folder / "seats.lock")
    while not choosing.try_acquire():  # for a moment: others look for a seat as well
        time.sleep(_POLL_S)
    try:
        counts = [_count(folder, card, queue) for card in cards]
        index = min(range(len(cards)), key=lambda i: (counts[i], i))
        return Seat(index, _sit_down(folder, cards[index], queue))
    finally:
        choosing.release()


def _count(folder: Path, card: str, queue: str) -> tuple[int, int]:
    """How many sit on a card: of the queue, and altogether."""
    taken = [path for path in folder.glob(f"{card}.seat.*.lock") if FileLock(path).is_held()]
    return sum(path.name.startswith(f"{card}.seat.{queue}.") for path in taken), len(taken)


def _sit_down(folder: Path, card: str, queue: str) -> FileLock:
    number = 0
    while True:
        seat = FileLock(folder / f"{card}.seat.{queue}.{number}.lock")
        if seat.try_acquire():
            return seat
        number += 1
