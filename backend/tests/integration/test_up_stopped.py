"""`komadori up` in real processes: a cancel acts at once, a second signal too, and nothing is lost."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from komadori.core.types import Chunk, JobState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.db.session import Sessions
from tests.support import gated_models
from tests.support.clips import clip
from tests.support.gated_models import Gate
from tests.support.running_up import KOMADORI, RunningUp, environment, processes_of, running_up, wait_until


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setenv("PYTHONPATH", gated_models.install(tmp_path / "packages"))
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)


def komadori(up: RunningUp, *words: str) -> str:
    settings = environment(KOMADORI_URL=up.url)
    done = subprocess.run([*KOMADORI, *words], env=settings, capture_output=True, text=True, check=True)
    return done.stdout


def chunks_of(home: Path, kind: str) -> list[Chunk]:
    """The chunks of the newest job of a kind."""
    sessions = Sessions(f"sqlite:///{home / 'komadori.db'}")
    try:
        with sessions.read() as session:
            job = job_rows.newest(session, kind, {})
            return [] if job is None else chunk_rows.of_job(session, job.id)
    finally:
        sessions.close()


def stop_the_decoder(up: RunningUp) -> None:
    """Let a decoding child stand still amid its work, as one that reads from a disk that hangs."""
    worker, found = psutil.Process(up.children()["default"]), list[psutil.Process]()

    def is_found() -> bool:
        for process in worker.children(recursive=True):
            with suppress(psutil.Error):
                if "komadori.media.extract_child" in process.cmdline():
                    process.send_signal(signal.SIGSTOP)
                    found.append(process)
        return bool(found)

    wait_until(is_found, 60)


def test_cancel_and_stop_act_at_once_and_a_second_start_goes_on(tmp_path: Path, gate: Gate) -> None:
    home, settings = tmp_path / "home", {"KOMADORI_EMBEDDER": f"gated:{tmp_path / 'gate'}"}
    gate.close()
    with running_up(home, settings) as up:
        komadori(up, "add", str(clip("h264.mp4")), "--every", "1")
        wait_until(gate.has_stopped_one, 60)

        komadori(up, "add", str(clip("h264.mp4")), "--all-frames")
        stop_the_decoder(up)
        ingest_id = chunks_of(home, "ingest")[0].job_id
        with up.client() as api:
            began_s = time.monotonic()
            api.cancel_job(str(ingest_id))
            wait_until(lambda: api.job(str(ingest_id)).state is JobState.CANCELLED, 30)
        assert time.monotonic() - began_s < 6, "2 s are promised, and this machine may be busy"

        up.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "running chunks are finished first" in up.said.read_text(), 30)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(30) == 0, "it does not wait for the gate"

    assert processes_of(home) == []
    chunks = chunks_of(home, "embed")
    assert {(chunk.state, chunk.attempts, chunk.deaths) for chunk in chunks} == {(JobState.QUEUED, 0, 0)}

    gate.open()
    with running_up(home, settings) as up, up.client() as api:
        wait_until(lambda: api.job(str(chunks[0].job_id)).state is JobState.DONE, 60)
        job = api.job(str(chunks[0].job_id))
        assert (job.done, job.skipped, job.total) == (job.total, 0, sum(chunk.total for chunk in chunks))
        assert up.stop() == 0
