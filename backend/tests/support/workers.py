"""A whole installation in real processes: a broker, workers, and the means to kill them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from komadori.bootstrap import open_context, prepare_home
from komadori.cli import embedded_broker
from komadori.core.types import Job, JobState, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.db.repositories import workers
from komadori.services import jobs
from komadori.services.context import Context
from komadori.settings import Settings

_RUN_WORKER = (
    "import sys; from komadori.worker.app import run; from komadori.settings import Settings;"
    "from komadori.core.types import Queue; run(Queue(sys.argv[1]), Settings())"
)


class Installation:
    """Workers on one home; the test plays the API: it submits, reaps and waits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ctx: Context = open_context(settings)
        self._processes: dict[Queue, subprocess.Popen[bytes]] = {}
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
        log_folder = self.settings.home / "logs"
        log_folder.mkdir(exist_ok=True)
        for queue in queues:
            with (log_folder / f"{queue.value}.log").open("ab") as log:
                self._processes[queue] = subprocess.Popen(
                    [sys.executable, "-c", _RUN_WORKER, queue.value],
                    env={**os.environ, **self.settings.environment()},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, queue: Queue) -> None:
        """SIGKILL for a worker and its children, as an OOM killer or a power cut would."""
        process = self._processes.pop(queue)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_child(self, queue: Queue) -> None:
        """SIGKILL for the processes that run chunks; the worker itself lives on."""
        for pid in self._child_pids(queue):
            os.kill(pid, signal.SIGKILL)

    def _child_pids(self, queue: Queue) -> list[int]:
        pids: list[int] = []

        def find() -> bool:
            with self.ctx.sessions.read() as session:
                seen = workers.seen_since(session, time.time() - 10)
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
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._broker is not None and self._broker.poll() is None:
            self._broker.terminate()
            self._broker.wait(20)
        self.ctx.sessions.close()


@contextmanager
def installation(home: Path, **options: object) -> Iterator[Installation]:
    """A prepared home with a running broker; the test starts the workers that it needs."""
    settings = Settings(home=home, **{"embedder": "fake", "segmenter": "fake", **options})  # type: ignore[arg-type]
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
