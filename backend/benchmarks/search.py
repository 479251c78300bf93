"""Search against a plain BLAS scan, in one run: ``python benchmarks/search.py [--rows 100000 1000000]``.

The data resemble frames of video: vectors of one cone, in topics, videos, shots and slow drift.
Queries are of two kinds: ``image``, a frame a little changed, and ``text``, from outside the cloud of
the images, as the text vectors of contrastive models are; their best scores are near 0.3.

Every search is timed beside the scan it is compared with, one of each in turn, and the ratio is
the median of the ratios of the pairs, so that a busy machine does not favour one of them. CPU time
counts; BLAS has one thread. The result is written to ``search.json``.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.vectors import _kernels
from komadori.vectors.flat import FlatIndex

Floats = NDArray[np.float32]

DIM = 768
K = 50
REPEATS = 25
BATCH = 20_000
SHOT = 12


def unit(rows: Floats) -> Floats:
    """The rows divided by their norms."""
    norms: Floats = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / norms


class Footage:
    """Vectors as an image model would give for the frames of videos.

    Args:
        outlier: The value of one component that is large in all vectors, as real models have some.
    """

    def __init__(self, outlier: float = 0.0, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._spectrum = (np.arange(1, DIM + 1) ** -0.5).astype(np.float32)
        self._cone = self._direction(1)[0]
        self._topics = self._direction(64)
        self._gap = unit(self._random.standard_normal(DIM, dtype=np.float32))
        self._outlier = outlier

    def frames(self, n: int) -> Iterator[Floats]:
        """(B, DIM) batches of ``n`` frames in all, shot by shot; 30 shots a video."""
        for start in range(0, n, BATCH):
            shots = -(-min(BATCH, n - start) // SHOT)
            videos = np.repeat(self._direction(-(-shots // 30)), 30, axis=0)[:shots]
            topics = self._topics[self._random.integers(64, size=shots)]
            content = 0.9 * self._cone + 0.45 * topics + 0.45 * videos + 0.7 * self._direction(shots)
            drift = np.cumsum(self._direction(shots * SHOT).reshape(shots, SHOT, DIM), axis=1)
            rows = (content[:, np.newaxis] + 0.15 * drift).reshape(-1, DIM)
            yield self._finish(rows[: min(BATCH, n - start)])

    def image_queries(self, frames: Floats) -> Floats:
        """Each frame with a change of its own."""
        return unit(frames + 0.3 * self._direction(len(frames)))

    def text_queries(self, n: int) -> Floats:
        """Vectors far from all frames, yet nearer to some."""
        topics = self._topics[self._random.integers(64, size=n)]
        return self._finish(self._gap + 0.3 * topics + 0.5 * self._direction(n))

    def _direction(self, n: int) -> Floats:
        return unit(self._random.standard_normal((n, DIM), dtype=np.float32) * self._spectrum)

    def _finish(self, rows: Floats) -> Floats:
        rows = unit(rows)
        rows[:, 3] += self._outlier
        return unit(rows)


def plain_scan(matrix: Floats, query: Floats) -> NDArray[np.int64]:
    """What one writes with numpy: all inner products, then the best K."""
    scores = matrix @ query
    best = np.argpartition(scores, -K)[-K:]
    return best[np.argsort(-scores[best])]


def truth(matrix: Floats, query: Floats) -> NDArray[np.int64]:
    """The best K by scores in float64, ties by id; the ids are the row numbers."""
    rough = matrix @ query
    near = np.flatnonzero(rough >= np.partition(rough, -K)[-K] - 1e-3)
    scores = (matrix[near].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    return near[np.lexsort((near, -scores))[:K]]


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.process_time() - cpu, time.perf_counter() - wall


def in_turn(ours: Callable[[int], object], theirs: Callable[[int], object]) -> dict[str, float]:
    """Medians over REPEATS pairs: milliseconds of each, and ratio of ours to theirs."""
    pairs = [(seconds(partial(ours, i)), seconds(partial(theirs, i))) for i in range(REPEATS)]
    return {
        "cpu_ms": _median(mine[0] * 1e3 for mine, _ in pairs),
        "wall_ms": _median(mine[1] * 1e3 for mine, _ in pairs),
        "plain_scan_cpu_ms": _median(other[0] * 1e3 for _, other in pairs),
        "plain_scan_wall_ms": _median(other[1] * 1e3 for _, other in pairs),
        "cpu_ratio": _median(mine[0] / other[0] for mine, other in pairs),
        "wall_ratio": _median(mine[1] / other[1] for mine, other in pairs),
    }


def filled(directory: Path, batches: Iterator[Floats], matrix: Floats) -> dict[str, float]:
    """Write the batches to an index, and to ``matrix`` for the plain scan; the rate of writing."""
    index, start = FlatIndex(directory, DIM), 0
    cpu_s = wall_s = 0.0
    for batch in batches:
        ids = np.arange(start, start + len(batch))
        cpu, wall = seconds(partial(index.upsert, ids, batch))
        matrix[start : start + len(batch)] = batch
        cpu_s, wall_s, start = cpu_s + cpu, wall_s + wall, start + len(batch)
    return {"rows_per_cpu_s": round(start / cpu_s), "rows_per_wall_s": round(start / wall_s)}


def measure_searches(index: FlatIndex, matrix: Floats, queries: Floats) -> dict[str, float]:
    """Time and recall at K against the plain scan."""
    results = in_turn(lambda i: index.search(queries[i], K), lambda i: plain_scan(matrix, queries[i]))
    found = [set(index.search(query, K).ids.tolist()) for query in queries]
    wanted = [set(truth(matrix, query).tolist()) for query in queries]
    results["recall"] = statistics.fmean(len(f & w) / len(w) for f, w in zip(found, wanted, strict=True))
    return results


def measure_filter(index: FlatIndex, matrix: Floats, queries: Floats, share: float) -> dict[str, float]:
    """A search within a random share of the ids, against the plain scan of everything."""
    random = np.random.default_rng(1)
    within = np.sort(random.choice(len(matrix), int(len(matrix) * share), replace=False))
    return in_turn(lambda i: index.search(queries[i], K, within), lambda i: plain_scan(matrix, queries[i]))


def measure_rows(n: int, workspace: Path, outlier: float = 0.0) -> dict[str, object]:
    """Everything about one size."""
    footage, matrix = Footage(outlier), np.empty((n, DIM), np.float32)
    directory = workspace / f"{n}-{outlier}"
    writing = filled(directory, footage.frames(n), matrix)
    text = footage.text_queries(REPEATS)
    image = footage.image_queries(matrix[np.linspace(0, n - 1, REPEATS, dtype=np.int64)])
    index = FlatIndex(directory, DIM)
    np.save(workspace / "query.npy", text[0])
    results: dict[str, object] = {
        "upsert": writing,
        "new_process": probe_in_new_process(directory, is_cold=False),
        "new_process_nothing_in_page_cache": probe_in_new_process(directory, is_cold=True),
        "text": measure_searches(index, matrix, text),
        "image": measure_searches(index, matrix, image),
        "text_within_10_percent": measure_filter(index, matrix, text, 0.10),
        "text_within_1_percent": measure_filter(index, matrix, text, 0.01),
        "text_without_numkong": measure_searches(
            FlatIndex(directory, DIM, kernel=_kernels.dot_numpy), matrix, text
        ),
    }
    results["disk_mib"] = round(sum(p.stat().st_blocks * 512 for p in directory.iterdir()) / 2**20, 1)
    shutil.rmtree(directory)
    return results


def probe_in_new_process(directory: Path, *, is_cold: bool) -> dict[str, float]:
    """What a process pays that opens the index for the first time; see :func:`probe`."""
    if is_cold:
        for path in directory.iterdir():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    program = [sys.executable, __file__, "--probe", str(directory)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def probe(directory: Path) -> dict[str, float]:
    """Time to open and to search first, and memory of this process, without what is mapped from files."""
    query = np.load(directory.parent / "query.npy")
    before = _own_memory_mib()
    index = FlatIndex(directory, DIM)
    open_cpu, open_wall = seconds(index.count)
    first_cpu, first_wall = seconds(partial(index.search, query, K))
    return {
        "open_cpu_ms": open_cpu * 1e3,
        "open_wall_ms": open_wall * 1e3,
        "first_search_cpu_ms": first_cpu * 1e3,
        "first_search_wall_ms": first_wall * 1e3,
        "own_memory_mib": _own_memory_mib() - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Search against a plain BLAS scan.")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        print(json.dumps(probe(options.probe)))
        return
    results: dict[str, object] = {
        "machine": {"processor": _processor(), "python": platform.python_version(), "blas_threads": 1},
        "versions": {name: version(name) for name in ("numpy", "numkong")},
        "setting": {"dim": DIM, "k": K, "repeats": REPEATS},
    }
    with tempfile.TemporaryDirectory(prefix="komadori-search-") as workspace:
        for n in options.rows:
            results[f"{n}_rows"] = measure_rows(n, Path(workspace))
        results["100000_rows_with_an_outlier_component"] = measure_rows(100_000, Path(workspace), outlier=0.7)
    options.output.write_text(json.dumps(_rounded(results), indent=2) + "\n")


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _own_memory_mib() -> float:
    """Memory that is not mapped from files, which all processes share."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
