"""Real workers, a real broker and a hub on loopback: a first start, a kill amid it, and a gate."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.api.app import create_app
from komadori.core.errors import DependencyError
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import jobs as job_rows
from komadori.services import models, search
from tests.support import checkpoints
from tests.support.app import live_server
from tests.support.fake_hub import FakeHub
from tests.support.hub_models import FILES, MODEL, WEIGHTS
from tests.support.workers import environment, installation, wait_until

SIGLIP = "google/siglip2-base-patch16-224"
TOKEN = "hf_without_access"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


def test_two_workers_bring_about_one_download_and_begin_after_it(tmp_path: Path, hub: FakeHub) -> None:
    hub.add_folder(SIGLIP, checkpoints.SIGLIP2)
    hub.faults.bytes_per_s = 1e6
    options = {"embedder": SIGLIP, "hub_url": hub.url, "pull_models": True, "decode_workers": 1}
    with installation(tmp_path, **options) as system:
        system.start(Queue.SIGLIP, Queue.SIGLIP, Queue.DEFAULT)
        system.wait_for_worker(Queue.SIGLIP, WorkerState.WAITING, "job 1")

        def are_both_ready() -> bool:
            return [w.state for w in system.workers(Queue.SIGLIP)] == [WorkerState.READY] * 2

        wait_until(are_both_ready, 120, f"two ready workers: {system.logs()}")
        with system.ctx.sessions.read() as session:
            (job,) = job_rows.page(session, limit=10)
    assert (job.kind, job.state) == (models.KIND, JobState.DONE)
    assert len(hub.downloads("model.safetensors")) == 1


def test_a_killed_worker_goes_on_with_the_download_where_it_was(tmp_path: Path, hub: FakeHub) -> None:
    weights = WEIGHTS * 6
    hub.add(MODEL, {**FILES, "model.safetensors": weights})
    hub.faults.bytes_per_s = 1.5e6
    with installation(tmp_path, hub_url=hub.url, decode_workers=1) as system:
        job = models.request_pull(system.ctx, MODEL)
        system.start(Queue.DEFAULT)
        wait_until(lambda: hub.bytes_served["model.safetensors"] > 1_500_000, 60, "download")
        system.kill(Queue.DEFAULT)
        hub.faults.bytes_per_s = None
        system.start(Queue.DEFAULT)
        done = system.wait(job.id)
        assert (done.state, system.attempts(job.id)) == (JobState.DONE, [2]), system.logs()
    first, second = hub.downloads("model.safetensors")
    assert first.range is None
    assert second.range is not None
    assert int(second.range.removeprefix("bytes=").removesuffix("-")) > 1_000_000


@pytest.mark.parametrize(
    ("token", "remedy"),
    [
        ("", "Accept the licence at"),
        (TOKEN, "Ask for access and accept the licence at"),
    ],
)
def test_a_gated_model_says_everywhere_what_is_to_be_done(
    tmp_path: Path, hub: FakeHub, token: str, remedy: str
) -> None:
    files = {path.name: path.read_bytes() for path in checkpoints.SIGLIP2.iterdir()}
    hub.add(SIGLIP, files, is_gated=True)
    hub.tokens.add(TOKEN)
    options = {"embedder": SIGLIP, "hub_url": hub.url, "pull_models": True, "hub_token": token or None}
    with installation(tmp_path, decode_workers=1, **options) as system:
        system.start(Queue.SIGLIP, Queue.DEFAULT)
        waiting = system.wait_for_worker(Queue.SIGLIP, WorkerState.WAITING, remedy)
        assert f"{hub.url}/{SIGLIP}" in waiting.detail
        with pytest.raises(DependencyError, match=remedy) as caught:
            search.by_text(system.ctx, "red", 3, search.Scope())
        assert caught.value.code == "waiting-for-model"

        with live_server(create_app(system.settings, system.ctx)) as url:
            pulled = subprocess.run(
                [sys.executable, "-m", "komadori.cli.main", "models", "pull", "siglip2-base"],
                env={**environment(system.settings), "KOMADORI_URL": url},
                capture_output=True,
                text=True,
                check=False,
            )
        assert pulled.returncode == 1
        assert pulled.stderr.startswith("job-failed: ")
        assert remedy in pulled.stderr
        said = waiting.detail + str(caught.value) + pulled.stderr + pulled.stdout + system.logs()
        assert TOKEN not in said
    assert hub.bytes_served["model.safetensors"] == 0
