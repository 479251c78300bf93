"""Several processes and killed ones, against one store."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.ml.checkpoints import ModelState, ModelStore
from tests.support.fake_hub import FakeHub

WEIGHTS = random.Random(11).randbytes(2_000_000)
MODEL = "acme/kingfisher"
PULL = (
    "import sys\nfrom pathlib import Path\nfrom komadori.ml.checkpoints import ModelStore\n"
    "print(ModelStore(Path(sys.argv[1]), endpoint=sys.argv[2]).pull(sys.argv[3]).revision)"
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as running:
        running.add(MODEL, {"config.json": b'{"model_type": "siglip"}', "model.safetensors": WEIGHTS})
        yield running


def start_pull(root: Path, hub: FakeHub) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PULL, str(root), hub.url, MODEL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(process: "subprocess.Popen[str]", part: Path, n_bytes: int) -> int:
    """Kill the process once its part file has so many bytes, and return how many it has."""
    while not (part.exists() and part.stat().st_size >= n_bytes):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return part.stat().st_size


def test_killed_download_is_invisible_and_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    staging = tmp_path / "acme--kingfisher" / f".{hub.repositories[MODEL].commit}.partial"
    hub.faults.bytes_per_s = 1_500_000
    kept = kill_after(start_pull(tmp_path, hub), staging / "model.safetensors.part", 700_000)
    store = ModelStore(tmp_path, endpoint=hub.url)
    states = {row.model_id: row.state for row in store.list()}
    hub.faults.bytes_per_s = None

    model = store.pull(MODEL)

    assert states[MODEL] is ModelState.PARTIAL
    assert hub.downloads("model.safetensors")[-1].range == f"bytes={kept}-"
    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS
    assert not staging.exists()


def test_killed_before_publishing_needs_no_byte_again(hub: FakeHub, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, endpoint=hub.url)
    directory = store.pull(MODEL).directory
    (directory / "komadori-model.json").unlink()
    directory.rename(directory.with_name(f".{directory.name}.partial"))
    (directory.parent / "refs.json").unlink()
    hub.requests.clear()

    assert store.pull(MODEL).directory == directory
    assert hub.downloads("model.safetensors") == []


def test_three_processes_download_once(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.bytes_per_s = 4_000_000
    pulls = [start_pull(tmp_path, hub) for _ in range(3)]

    results = [pull.communicate(timeout=60) for pull in pulls]

    assert [out.strip() for out, _ in results] == [hub.repositories[MODEL].commit] * 3, results
    assert hub.bytes_served["model.safetensors"] == len(WEIGHTS)
    assert len(hub.downloads("config.json")) == 1


def test_waiting_process_takes_over_from_a_killed_one(hub: FakeHub, tmp_path: Path) -> None:
    staging = tmp_path / "acme--kingfisher" / f".{hub.repositories[MODEL].commit}.partial"
    hub.faults.bytes_per_s = 1_500_000
    first = start_pull(tmp_path, hub)
    while not staging.exists():
        time.sleep(0.01)
    second = start_pull(tmp_path, hub)

    kill_after(first, staging / "model.safetensors.part", 500_000)
    out, err = second.communicate(timeout=60)

    assert out.strip() == hub.repositories[MODEL].commit, err
    assert len(hub.downloads("config.json")) == 1
    assert hub.downloads("model.safetensors")[-1].range is not None
