"""What taking turns on a card costs, and how long a search waits: ``python benchmarks/device_turns.py``.

No card is needed: a name stands for it, and real processes keep turns on that name.

- a turn that nobody contests, with its lock files on this disk;
- the handover between two processes that always want the card, and how often one had it twice in a row;
- the processor time of a process that does nothing but wait;
- how fairly four processes share;
- how long one that wants the card now and then (a search) waits for another that has it all the
  time for steps of 250 ms (frames of SAM 3 on a slow card), in stretches of eight (a chunk):
  with turns for each frame, with the slices that we have, and with turns for each chunk.

The result is written to ``device_turns.json``.
"""

import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

from komadori.core.device_turns import SLICE_S, DeviceTurns
from komadori.core.file_lock import lock_folder

N_TURNS = 2000
WATCHED_S = 5.0
FRAME_S = 0.25
FRAMES_IN_CHUNK = 8
N_SEARCHES = 12

_start = multiprocessing.get_context("spawn").Process


def uncontested_us(folder: Path) -> float:
    """Microseconds for a turn alone, the median."""
    turns = DeviceTurns(folder, "alone")
    times = []
    for _ in range(N_TURNS):
        begin = time.perf_counter()
        with turns.turn():
            pass
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def handover(folder: Path) -> dict[str, float]:
    """Two processes with steps of 5 ms: milliseconds from the end of one turn to the begin of the next."""
    turns = _watch(folder, ["a", "b"], 0.005)
    gaps = [1e3 * (begin - end) for (_, _, end), (_, begin, _) in pairwise(turns)]
    repeated = [first == second for (first, *_), (second, *_) in pairwise(turns)]
    return {
        "handover_ms_median": statistics.median(gaps),
        "handover_ms_p95": statistics.quantiles(gaps, n=20)[-1],
        "twice_in_a_row_percent": 100 * statistics.mean(repeated),
        "overlaps": sum(gap < 0 for gap in gaps),
    }


def shares_of_four(folder: Path) -> list[float]:
    """Four processes with steps of 5 ms: the share of the turns that each had."""
    counts = Counter(label for label, *_ in _watch(folder, list("abcd"), 0.005))
    return sorted(round(count / counts.total(), 3) for count in counts.values())


def waiting_cpu_percent(folder: Path) -> float:
    """Processor time of a process that waits, in percent of one core."""
    with DeviceTurns(folder, "busy").turn():
        waiter = _start(target=_wait_for_ever, args=(folder,))
        waiter.start()
        while not (folder / "busy.next.lock").exists():
            time.sleep(0.01)
        before = _cpu_s(waiter)
        time.sleep(WATCHED_S)
        spent = _cpu_s(waiter) - before
        _end([waiter])
    return 100 * spent / WATCHED_S


def search_wait_ms(folder: Path, slice_s: float) -> dict[str, float]:
    """How long a short turn is waited for while another process annotates without a pause."""
    other = _start(target=_annotate_for_ever, args=(folder, slice_s))
    other.start()
    turns = DeviceTurns(folder, "card")
    while turns.holder() is None:
        time.sleep(0.01)
    waits = []
    for number in range(N_SEARCHES):
        time.sleep(0.1 + 0.037 * number)
        begin = time.perf_counter()
        with turns.turn():
            waits.append(1e3 * (time.perf_counter() - begin))
    _end([other])
    return {"median": round(statistics.median(waits), 1), "max": round(max(waits), 1)}


def main() -> None:
    """Run everything and write the JSON."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as root:
        folder = lock_folder(Path(root))
        result: dict[str, object] = {
            "uncontested_turn_us": round(uncontested_us(folder), 1),
            **{name: round(value, 2) for name, value in handover(folder).items()},
            "shares_of_four": shares_of_four(folder),
            "waiting_cpu_percent": round(waiting_cpu_percent(folder), 2),
            "search_wait_ms_by_slice": {
                str(slice_s): search_wait_ms(folder, slice_s) for slice_s in (0.0, SLICE_S, 3600.0)
            },
            "frame_s": FRAME_S,
            "frames_in_a_chunk": FRAMES_IN_CHUNK,
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _watch(folder: Path, labels: list[str], work_s: float) -> list[tuple[str, float, float]]:
    """The turns (label, begin, end) of processes that all want the card, while all of them run."""
    record = folder.parent / f"record-{len(labels)}"
    processes = [_start(target=_work_for_ever, args=(folder, record, label, work_s)) for label in labels]
    for process in processes:
        process.start()
    while len({label for label, *_ in _read(record)}) < len(labels):
        time.sleep(0.05)
    n_before = len(_read(record))
    time.sleep(WATCHED_S)
    turns = _read(record)[n_before:]
    _end(processes)
    return turns


def _read(record: Path) -> list[tuple[str, float, float]]:
    lines = record.read_text().splitlines() if record.exists() else []
    fields = [line.split() for line in lines]
    return [(label, float(begin), float(end)) for label, begin, end in fields]


def _work_for_ever(folder: Path, record: Path, label: str, work_s: float) -> None:
    turns = DeviceTurns(folder, "card", label=label)
    descriptor = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        with turns.turn():
            begin = time.monotonic()
            time.sleep(work_s)
            os.write(descriptor, f"{label} {begin} {time.monotonic()}\n".encode())


def _annotate_for_ever(folder: Path, slice_s: float) -> None:
    turns = DeviceTurns(folder, "card", label="sam3", slice_s=slice_s)
    while True:
        with turns.stretch(_go_on):
            for _ in range(FRAMES_IN_CHUNK):
                with turns.turn():
                    time.sleep(FRAME_S)


def _wait_for_ever(folder: Path) -> None:
    with DeviceTurns(folder, "busy").turn():
        raise AssertionError("the card is never free")


def _cpu_s(process: BaseProcess) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.kill()
        process.join()


def _go_on() -> None:
    return None


if __name__ == "__main__":
    main()
