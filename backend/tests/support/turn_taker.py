"""A process that takes turns: ``python -m tests.support.turn_taker FOLDER RECORD LABEL WORK_S N``.

It takes N turns, or any number when N is 0, and writes a line to RECORD when one begins and when it
ends, with the time of the clock that all processes share. With N below 0 it sits down instead, on
one of the cards ``card-0`` to ``card-<-N - 1>``, for the queue LABEL, prints which, and stays.
"""

import os
import sys
import time
from pathlib import Path

from komadori.core.device_seats import take_seat
from komadori.core.device_turns import DeviceTurns


def take_turns(folder: Path, record: Path, label: str, work_s: float, n: int) -> None:
    turns = DeviceTurns(folder, "card", label=label)
    descriptor = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    taken = 0
    while not n or taken < n:
        with turns.turn():
            os.write(descriptor, f"{label} begin {time.monotonic()}\n".encode())
            time.sleep(work_s)
            os.write(descriptor, f"{label} end {time.monotonic()}\n".encode())
        taken += 1


def sit(folder: Path, queue: str, n_cards: int) -> None:
    seat = take_seat(folder, queue, [f"card-{index}" for index in range(n_cards)])
    sys.stdout.write(f"{seat.index}\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    where, written, name, work, count = sys.argv[1:]
    if int(count) < 0:
        sit(Path(where), name, -int(count))
    else:
        take_turns(Path(where), Path(written), name, float(work), int(count))
