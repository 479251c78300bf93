"""The compose files of the repository, as the real Docker Compose understands them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"

BASE = "docker-compose.yml"
GPU = "docker-compose.gpu.yml"
CPU = "docker-compose.cpu.yml"
JOIN = "docker-compose.join.yml"
REMOTE = "docker-compose.remote.yml"


@cache
def program() -> str:
    """Docker Compose 2; the test is skipped where it is missing, or made for another kind of machine."""
    beside = ROOT / ".venv" / "bin" / "docker-compose"
    found = str(beside) if beside.exists() else shutil.which("docker-compose")
    if found is not None:
        try:
            asked = subprocess.run([found, "version", "--short"], capture_output=True, text=True, check=False)
        except OSError:
            asked = None
        if asked is not None and asked.returncode == 0 and asked.stdout.startswith(("2.", "v2.")):
            return found
    pytest.skip("Docker Compose 2 is not here; make test fetches it")


def run(
    files: Sequence[str], *arguments: str, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Compose, called with files of ``docker/`` or others by full path, and with no variables but these."""
    named = [word for file in files for word in ("--file", str(DOCKER / file))]
    return subprocess.run(
        [program(), *named, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def config(*files: str, **environment: str) -> dict[str, Any]:
    """What compose makes of the files: the whole definition, without warnings."""
    done = run(files, "config", "--format", "json", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    definition: dict[str, Any] = json.loads(done.stdout)
    return definition


def services(*files: str, **environment: str) -> dict[str, Any]:
    """The services of the files."""
    found: dict[str, Any] = config(*files, **environment)["services"]
    return found


def refusal(*files: str, **environment: str) -> str:
    """What compose says to files that it must not accept."""
    done = run(files, "config", "--quiet", environment=environment)
    assert done.returncode != 0
    return done.stderr
