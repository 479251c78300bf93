"""`komadori models pull` as a user types it, against a hub on loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import checkpoints
from tests.support.fake_hub import FakeHub

SIGLIP, SAM3 = "google/siglip2-base-patch16-224", "facebook/sam3"
TOKEN = "hf_without_access"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.add_folder(SIGLIP, checkpoints.SIGLIP2)
        gated = {path.name: path.read_bytes() for path in checkpoints.SAM3.iterdir()}
        running.add(SAM3, gated, is_gated=True)
        running.tokens.add(TOKEN)
        yield running


def komadori(home: Path, hub_url: str, *words: str, token: str = "") -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith(("KOMADORI_", "HF_"))}
    env |= {"KOMADORI_HOME": str(home), "KOMADORI_HUB_URL": hub_url, "NO_PROXY": "127.0.0.1"}
    env |= {"KOMADORI_URL": "http://127.0.0.1:9"}  # no API runs
    if token:
        env["HF_TOKEN"] = token
    command = [sys.executable, "-m", "komadori.cli.main", *words]
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)


def test_a_model_is_pulled_once_and_then_ready(tmp_path: Path, hub: FakeHub) -> None:
    first = komadori(tmp_path, hub.url, "models", "pull", "siglip2-base")
    assert first.returncode == 0, first.stderr
    assert len(hub.downloads("model.safetensors")) == 1
    again = komadori(tmp_path, hub.url, "models", "pull", "siglip2-base")
    assert again.returncode == 0, again.stderr
    assert len(hub.downloads("model.safetensors")) == 1
    listed = komadori(tmp_path, hub.url, "models")
    (line,) = [line for line in listed.stdout.splitlines() if "siglip2-base " in line]
    assert "ready" in line


def test_a_gated_model_without_a_token_says_how_to_get_one(tmp_path: Path, hub: FakeHub) -> None:
    done = komadori(tmp_path, hub.url, "models", "pull", "sam3")
    assert done.returncode == 1
    assert done.stderr.startswith("model-token-needed: ")
    assert "HF_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gated_model_without_access_says_to_ask_for_it(tmp_path: Path, hub: FakeHub) -> None:
    done = komadori(tmp_path, hub.url, "models", "pull", "sam3", token=TOKEN)
    assert done.returncode == 1
    assert done.stderr.startswith("model-access-denied: ")
    assert SAM3 in done.stderr
    assert TOKEN not in done.stderr + done.stdout


def test_no_hub_and_no_copy_is_said_within_seconds(tmp_path: Path) -> None:
    done = komadori(tmp_path, "http://127.0.0.1:9", "models", "pull", "siglip2-base")
    assert done.returncode == 1
    assert done.stderr.startswith("unreachable-hub: ")
    assert "Traceback" not in done.stderr
