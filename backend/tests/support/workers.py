"""A whole installation in real processes: a broker, workers, and the means to kill them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from komadori.bootstrap import open_context, prepare_home
from komadori.cli import embedded_broker
from komadori.core.types import Job, JobState, Queue, WorkerState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.db.repositories import workers
from komadori.db.repositories.workers import Worker
from komadori.services import jobs
from komadori.services.context import Context
from komadori.settings import Settings

CLOSED_URL = "http://127.0.0.1:9"
"""Nothing listens at the discard port."""

_RUN_WORKER = (
    "import sys; from komadori.worker.app import run; from komadori.settings import Settings;"
    "from komadori.core.types import Queue; run(Queue(sys.argv[1]), Settings())"
)


class Installation:
    """Workers on one home; the test plays the API: it submits, reaps and waits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ctx: Context = open_context(settings)
        self._processes: dict[Queue, list[subprocess.Popen[bytes]]] = {}
        self._broker: subprocess.Popen[bytes] | None = None

    def start_broker(self) -> None:
        socket, folder = self.settings.broker_socket, self.settings.home / "run" / "broker"
        embedded_broker.prepare(socket, folder)
        self._broker = subprocess.Popen(
            embedded_broker.command(embedded_broker.find_server(), socket, folder),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(socket.exists, 10, "the broker's socket")

    def pause_broker(self) -> None:
        """It keeps its connections and answers nothing, as on a machine that is out of breath."""
        assert self._broker is not None
        self._broker.send_signal(signal.SIGSTOP)

    def resume_broker(self) -> None:
        """It answers again."""
        assert self._broker is not None
        self._broker.send_signal(signal.SIGCONT)

    def kill_broker(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._broker.wait()
        self.settings.broker_socket.unlink(missing_ok=True)

    def start(self, *queues: Queue) -> None:
        """A worker for each of the queues, beside those that it has."""
        log_folder = self.settings.home / "logs"
        log_folder.mkdir(exist_ok=True)
        for queue in queues:
            with (log_folder / f"{queue.value}.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-c", _RUN_WORKER, queue.value],
                    env=environment(self.settings),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._processes.setdefault(queue, []).append(process)

    def kill(self, queue: Queue) -> None:
        """SIGKILL for the workers of a queue and their children, as an OOM killer or a power cut would."""
        for process in self._processes.pop(queue):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self, queue: Queue) -> list[int]:
        """SIGTERM for the workers of a queue: how they ended."""
        return [process.wait(60) for process in self.terminate(queue)]

    def terminate(self, *queues: Queue) -> list[subprocess.Popen[bytes]]:
        """SIGTERM for the workers of these queues, which may take their time to end."""
        processes = [process for queue in queues for process in self._processes.pop(queue)]
        for process in processes:
            process.terminate()
        return processes

    def workers(self, queue: Queue) -> list[Worker]:
        """The workers of a queue that report."""
        with self.ctx.sessions.read() as session:
            return workers.of_queue(session, queue)

    def wait_for_worker(self, queue: Queue, state: WorkerState, words: str = "") -> Worker:
        """A worker of the queue in that state, whose detail has these words."""
        found: list[Worker] = []

        def is_there() -> bool:
            jobs.reap(self.ctx)
            found[:] = [w for w in self.workers(queue) if w.state == state and words in w.detail]
            return bool(found)

        wait_until(is_there, 60, f"worker for {queue} that is {state} ({words}): {self.workers(queue)}")
        return found[0]

    def n_messages(self, queue: Queue) -> int:
        """How many messages wait in the broker for a queue, of both priorities."""
        broker = Redis(unix_socket_path=str(self.settings.broker_socket))
        with broker:
            return sum(broker.llen(name) for name in (queue.value, f"{queue.value}:1"))

    def kill_child(self, queue: Queue) -> None:
        """SIGKILL for the processes that run chunks; the worker itself lives on."""
        for pid in self._child_pids(queue):
            os.kill(pid, signal.SIGKILL)

    def _child_pids(self, queue: Queue) -> list[int]:
        pids: list[int] = []

        def find() -> bool:
            with self.ctx.sessions.read() as session:
                seen = workers.living(session)
            pids[:] = [int(w.name.split("/")[-2]) for w in seen if w.queue == queue]
            return bool(pids)

        wait_until(find, 60, f"child of the worker for {queue}")
        return pids

    def job(self, job_id: int) -> Job:
        with self.ctx.sessions.read() as session:
            return rows.get(session, job_id)

    def wait(self, job_id: int, timeout_s: float = 120) -> Job:
        """The job once it has ended; the reaper runs meanwhile, as it does in the API."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            jobs.reap(self.ctx)
            job = jobs.wait(self.ctx, job_id, 0.5)
            if job.state.is_terminal:
                return job
        raise AssertionError(f"job {job_id} did not end: {self.job(job_id)}\n{self.logs()}")

    def child_of(self, job_id: int) -> Job:
        """The only child of a job, ended."""
        with self.ctx.sessions.read() as session:
            (child,) = rows.page(session, parent_id=job_id, limit=10)
        return self.wait(child.id)

    def wait_until_amid(self, job_id: int) -> None:
        """Until a chunk of the job is done, another runs, and more are left."""

        def is_amid() -> bool:
            with self.ctx.sessions.read() as session:
                states = [chunk.state for chunk in chunk_rows.of_job(session, job_id) if chunk.total]
            return {JobState.DONE, JobState.RUNNING, JobState.QUEUED} <= set(states)

        wait_until(is_amid, 60, "a job amid its chunks", poll_s=0.002)

    def attempts(self, job_id: int) -> list[int]:
        with self.ctx.sessions.read() as session:
            return [chunk.attempts for chunk in chunk_rows.of_job(session, job_id)]

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in (self.settings.home / "logs").glob("*.log"))

    def close(self) -> None:
        if self._broker is not None and self._broker.poll() is None:
            self.resume_broker()
        processes = [process for started in self._processes.values() for process in started]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._broker is not None and self._broker.poll() is None:
            self._broker.terminate()
            self._broker.wait(20)
        self.ctx.sessions.close()


def settings_for(home: Path, **options: object) -> Settings:
    """Models that need no checkpoint, and a hub that nobody reaches, unless the options say otherwise."""
    defaults = {"embedder": "fake", "segmenter": "fake", "hub_url": CLOSED_URL, "pull_models": False}
    return Settings(_env_file=None, home=home, **{**defaults, **options})  # type: ignore[arg-type]


def environment(settings: Settings) -> dict[str, str]:
    """Of a process that sees these settings, and nothing of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KOMADORI_", "HF_"))}
    return {**kept, **settings.environment(), "NO_PROXY": "127.0.0.1"}


@contextmanager
def installation(home: Path, **options: object) -> Iterator[Installation]:
    """A prepared home with a running broker; the test starts the workers that it needs.

    The hub is a closed port unless the test gives one.
    """
    settings = settings_for(home, **options)
    prepare_home(settings)
    system = Installation(settings)
    try:
        system.start_broker()
        yield system
    finally:
        system.close()


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str, *, poll_s: float = 0.02) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"there was no {what} within {timeout_s} s")
        time.sleep(poll_s)
