"""Two machines on one: an installation with its API in a process, and a home that shares only its frames."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from komadori.core.types import EmbeddingSpace, Job
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.ml.embedders import fake
from komadori.settings import Settings
from komadori.vectors.base import VectorIndex
from tests.support.app import seed_video
from tests.support.running_up import free_port
from tests.support.workers import Installation, environment, installation, settings_for, wait_until

TOKEN = "t0ken"
SPACE: EmbeddingSpace = fake.create("fake").space


class ApiProcess:
    """``komadori api`` on a port of its own, to be killed and started again."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "komadori.cli.main", "api", "--port", str(self.port)],
            env=environment(self._settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, 60, "API that answers", poll_s=0.05)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **query: str) -> Any:
        return self._asked("GET", path, params=query)

    def post(self, path: str, body: dict[str, object]) -> Any:
        return self._asked("POST", path, json=body)

    def _asked(self, method: str, path: str, **content: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.url}/api/v1{path}"
        return httpx.request(method, url, headers=headers, timeout=60, **content).raise_for_status().json()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False


@dataclass(slots=True)
class Joined:
    """``here`` is the machine of the API and the index; ``there`` joins with workers."""

    here: Installation
    there: Installation
    api: ApiProcess

    def index(self) -> VectorIndex:
        """The files of the index, which are ``here``."""
        return self.here.ctx.index_of(SPACE)

    def seed(self, n_frames: int) -> tuple[Job, list[int]]:
        """Frames, and the job that is to embed them, which waits for a worker."""
        _, ids = seed_video(self.here.ctx, n_frames=n_frames)
        with self.here.ctx.sessions.read() as session:
            (job,) = rows.page(session, limit=10)
        return job, ids

    def owners(self) -> set[str]:
        """Who works on a chunk now."""
        with self.here.ctx.sessions.read() as session:
            return {held.owner for held in chunk_rows.held(session, 30.0)}


@contextmanager
def joined(folder: Path, database_url: str | None, **options: object) -> Iterator[Joined]:
    """Both machines without workers; the options are those of the one that joins."""
    home, other_home = folder / "here", folder / "there"
    with installation(
        home, database_url=database_url, token=TOKEN, embed_chunk_frames=2, decode_workers=1
    ) as here:
        api = ApiProcess(here.settings)
        joining: dict[str, object] = {
            "database_url": here.settings.effective_database_url,
            "broker_url": here.settings.effective_broker_url,
            "url": api.url,
            "token": TOKEN,
            "vectors": "api",
            **options,
        }
        (home / "blobs").mkdir(exist_ok=True)
        other_home.mkdir()
        (other_home / "blobs").symlink_to(home / "blobs")  # as a mounted folder is
        there = Installation(settings_for(other_home, **joining))
        try:
            api.start()
            yield Joined(here, there, api)
        finally:
            there.close()
            api.kill()
