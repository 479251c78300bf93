"""What it costs to keep vectors on another machine: ``python benchmarks/vectors_api.py``.

The API is a process of its own, asked over loopback, so the way between two machines is not in the
figures; ``bytes_a_chunk`` says what would travel on it. Both indexes lie on the same disk and hold
``ROWS`` vectors before anything is timed. Every upsert by way of the API is timed beside a local one,
one of each in turn, and waits until the disk has the vectors, as always.

- vectors a second for chunks of 64, as workers write them, and for batches of 1024;
- the round trip without an index: ``GET /healthz``;
- what the upsert of a chunk adds to embedding it, for models of 10, 100 and 1000 images a second.

The result is written to ``vectors_api.json``.
"""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np

from komadori.bootstrap import prepare_home
from komadori.core import vector_rows
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import embeddings
from komadori.db.session import Sessions
from komadori.settings import Settings
from komadori.vectors import api
from komadori.vectors.base import VectorIndex
from komadori.vectors.flat import FlatIndex

DIM = 768
ROWS = 20_000
CHUNK = 64
BATCH = 1024
REPEATS = 60
TOKEN = "benchmark"
SPACE = EmbeddingSpace("benchmark", "1", "none", DIM)


@contextmanager
def served(home: Path) -> Iterator[str]:
    """An API in a process of its own, which knows the space: its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, home=home, token=TOKEN, log_level="warning")
    prepare_home(settings)
    sessions = Sessions(settings.effective_database_url)
    with sessions.write() as session:
        embeddings.register_space(session, SPACE, "benchmark")
    sessions.close()
    command = [sys.executable, "-m", "komadori.cli.main", "api", "--port", str(port)]
    with subprocess.Popen(
        command, env={**os.environ, **settings.environment(), "KOMADORI_LOG_LEVEL": "warning"}
    ) as process:
        try:
            while not _answers(f"http://127.0.0.1:{port}"):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def upserts(index: VectorIndex, size: int) -> Iterator[float]:
    """Milliseconds for one upsert after the other, each of new ids."""
    random = np.random.default_rng(size)
    for turn in range(REPEATS):
        rows = random.standard_normal((size, DIM), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = np.arange(size) + (size + turn) * 10**6
        yield _ms(partial(index.upsert, ids, rows))


def compared(local: VectorIndex, remote: VectorIndex, size: int) -> dict[str, float]:
    """Medians over pairs of upserts of ``size`` vectors."""
    pairs = list(zip(upserts(local, size), upserts(remote, size), strict=True))
    local_ms, remote_ms = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "local_ms": local_ms,
        "api_ms": remote_ms,
        "api_ms_p95": statistics.quantiles([api_ms for _, api_ms in pairs], n=20)[-1],
        "added_ms": statistics.median(api_ms - local_ms for local_ms, api_ms in pairs),
        "local_vectors_a_s": size / local_ms * 1e3,
        "api_vectors_a_s": size / remote_ms * 1e3,
    }


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        local = FlatIndex(Path(folder) / "local", DIM)
        remote = api.create(url, SPACE.key, DIM, token=TOKEN)
        random = np.random.default_rng(0)
        rows = random.standard_normal((ROWS, DIM), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for index in (local, remote):
            index.upsert(np.arange(ROWS), rows)
        chunk, batch = compared(local, remote, CHUNK), compared(local, remote, BATCH)
        fetched = [_ms(lambda: remote.fetch(np.arange(CHUNK))) for _ in range(REPEATS)]
        with httpx.Client(trust_env=False) as client:
            round_trips = [_ms(lambda: client.get(f"{url}/healthz")) for _ in range(REPEATS)]
    result = {
        f"upsert_of_{CHUNK}": chunk,
        f"upsert_of_{BATCH}": batch,
        f"fetch_of_{CHUNK}_ms": statistics.median(fetched),
        "round_trip_ms": statistics.median(round_trips),
        "bytes_a_chunk": CHUNK * vector_rows.row_bytes(DIM),
        "share_of_a_chunk_percent": {
            f"{rate}_images_a_s": {
                "local": 100 * chunk["local_ms"] / (1e3 * CHUNK / rate + chunk["local_ms"]),
                "api": 100 * chunk["api_ms"] / (1e3 * CHUNK / rate + chunk["api_ms"]),
            }
            for rate in (10, 100, 1000)
        },
        "setting": {"dim": DIM, "rows_before": ROWS, "repeats": REPEATS},
        "machine": platform.machine(),
        "load_average_1_min": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("httpx", "numpy", "uvicorn")},
    }
    text = json.dumps(_rounded(result), indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    sys.stdout.write(text)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def _ms(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - begin)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 2) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
