"""The system under test: a real `komadori up`, and the means to find its processes."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from komadori.bootstrap import open_context
from komadori.cli.client import ApiClient
from komadori.services.context import Context
from komadori.settings import Settings
from tests.chaos.clock import SteppedClock
from tests.chaos.small_disk import SmallDisk
from tests.support.postgres import Server
from tests.support.running_up import RunningUp, free_port, start_up

LEASE_S = 6.0
"""Shorter than by default, so that leases run out within a run."""

_DECODER = "komadori.media"


@dataclass(slots=True)
class Place:
    """Where a system lives, and what it stands on.

    Attributes:
        folder: For everything.
        server: The database; a file in the home when None.
        disk: That of the home, where it can be filled.
        clock: Of the processes, where it can be stepped.
        import_path: Where Python finds the models.
        models: What they wrap: ``fake`` or ``demo``.
    """

    folder: Path
    server: Server | None
    disk: SmallDisk | None
    clock: SteppedClock | None
    import_path: str
    models: str = "fake"

    @property
    def home(self) -> Path:
        """The home of Komadori."""
        return self.folder / "disk"

    @property
    def temporary(self) -> Path:
        """The folder that the processes know as that of temporary files."""
        return self.folder / "tmp"


@dataclass(slots=True)
class System:
    """Starts and stops it, and knows its parts; one at a time."""

    place: Place
    database_name: str | None
    port: int = field(default_factory=free_port)
    up: RunningUp | None = None

    @property
    def home(self) -> Path:
        return self.place.home

    @property
    def settings(self) -> dict[str, str]:
        """What differs from the defaults, by the names of the variables."""
        chosen = {
            "KOMADORI_EMBEDDER": f"chaos:{self.place.models}",
            "KOMADORI_SEGMENTER": f"chaos:{self.place.models}",
            "KOMADORI_DECODE_WORKERS": "2",
            "KOMADORI_DECODE_CHUNK_S": "0.0001",
            "KOMADORI_EMBED_CHUNK_FRAMES": "2",
            "KOMADORI_ANNOTATE_CHUNK_FRAMES": "1",
            "KOMADORI_SCORE_THRESHOLD": "0.1",
            "KOMADORI_LEASE_S": f"{LEASE_S:g}",
        }
        url = self.database_url
        return {**chosen, "KOMADORI_DATABASE_URL": url} if url else chosen

    @property
    def database_url(self) -> str | None:
        server = self.place.server
        return server.url(self.database_name) if server is not None and self.database_name else None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        environment = {
            **self.settings,
            "PYTHONPATH": self.place.import_path,
            "TMPDIR": str(self.place.temporary),
            **(self.place.clock.environment if self.place.clock else {}),
        }
        self.up = start_up(self.home, environment, port=self.port)

    def wait_ready(self, timeout_s: float = 180) -> float:
        """Seconds until everything was ready."""
        began_s = time.monotonic()
        self.running.wait_ready(timeout_s)
        return time.monotonic() - began_s

    def stop(self) -> int:
        """Stop it in order: its exit status."""
        return self.running.stop()

    def last_words(self) -> str:
        """What it has said last."""
        return " ".join(self.running.said.read_text(errors="replace")[-400:].split())

    @property
    def running(self) -> RunningUp:
        """The process that supervises the others."""
        assert self.up is not None, "it was started"
        return self.up

    def client(self) -> ApiClient:
        """A new client of its API."""
        return self.running.client()

    def read_settings(self) -> Settings:
        """Its settings, as its processes read them."""
        names = {name.removeprefix("KOMADORI_").lower(): value for name, value in self.settings.items()}
        return Settings(_env_file=None, home=self.home, **names)  # type: ignore[arg-type]

    @contextmanager
    def context(self) -> Iterator[Context]:
        """Its ports, for who looks from outside: in the test's own process, by the true clock."""
        ctx = open_context(self.read_settings())
        try:
            yield ctx
        finally:
            ctx.sessions.close()

    def part(self, name: str) -> psutil.Process | None:
        """The process of a part, while it runs."""
        with suppress(psutil.Error):
            pid = self.running.children().get(name)
            return psutil.Process(pid) if pid is not None else None
        return None

    def children(self, queue: str) -> list[psutil.Process]:
        """The children of a worker that run chunks, oldest first."""
        worker = self.part(queue)
        found = []
        with suppress(psutil.Error):
            for child in worker.children() if worker else []:
                with suppress(psutil.Error):
                    if not any("tracker" in word for word in child.cmdline()):
                        found.append(child)
        return sorted(found, key=lambda child: child.pid)

    def family(self, queue: str) -> list[psutil.Process]:
        """A worker and all that it has started."""
        worker = self.part(queue)
        if worker is None:
            return []
        with suppress(psutil.Error):
            return [worker, *worker.children(recursive=True)]
        return [worker]

    def decoders(self) -> list[psutil.Process]:
        """The processes that decode videos at this moment, oldest first."""
        found = []
        for process in self.family("default")[1:]:
            with suppress(psutil.Error):
                if any(word.startswith(_DECODER) for word in process.cmdline()):
                    found.append(process)
        return sorted(found, key=lambda process: process.pid)

    def processes(self) -> list[psutil.Process]:
        """Everything that lives and belongs to it, whoever started it, wherever it hangs now."""
        return [process for process in psutil.process_iter() if _belongs_to(process, self.home)]


def _belongs_to(process: psutil.Process, home: Path) -> bool:
    """By the home in its environment; a decoding child, which has a bare one, by the files it has open."""
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        environment: Mapping[str, str] = process.environ()
        words = process.cmdline()
        if any(word.startswith(_DECODER) for word in words):
            return any(file.path.startswith(str(home.parent)) for file in process.open_files())
        return environment.get("KOMADORI_HOME") == str(home) or str(home) in words
    except psutil.Error:
        return False
