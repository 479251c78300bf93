"""The real GPU workers on one card, which is a name here: turns, a search amid them, a cancelled wait."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from komadori.core.device_turns import DeviceTurns
from komadori.core.file_lock import FileLock, lock_folder
from komadori.core.types import JobState, JsonDict, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import projects
from komadori.services import annotate, ingest, jobs, search
from tests.support.clips import ffmpeg
from tests.support.workers import Installation, installation, wait_until

N_FRAMES = 40
SAMPLING: JsonDict = {"sampler": "every", "parameters": {"seconds": "0.2"}, "skip_near_duplicates": False}
TURN = re.compile(r"turn on shared: (\w+) from ([\d.]+) to ([\d.]+)")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s of moving coloured shapes."""
    path = tmp_path_factory.mktemp("clips") / "shapes.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=8")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path))
    return path


@pytest.fixture
def system(tmp_path: Path, clip: Path) -> Iterator[Installation]:
    """Frames that wait for their vectors, in the job after that of the video; no GPU worker runs yet."""
    options = {"gpu_lock": "shared", "log_level": "debug", "decode_workers": 1}
    with installation(tmp_path, embed_chunk_frames=4, annotate_chunk_frames=4, **options) as running:
        running.start(Queue.DEFAULT)
        job = ingest.request(running.ctx, str(clip), projects.DEFAULT, SAMPLING)
        assert running.wait(job.id).done == N_FRAMES
        yield running


@pytest.fixture
def card(system: Installation) -> DeviceTurns:
    return DeviceTurns(lock_folder(system.settings.models_dir), "shared", label="the test")


def is_running(system: Installation, job_id: int) -> bool:
    with system.ctx.sessions.read() as session:
        return any(chunk.state is JobState.RUNNING for chunk in chunk_rows.of_job(session, job_id))


def turns_of(system: Installation) -> list[tuple[float, float, str]]:
    """Begin, end and queue of every turn that the workers logged, in order."""
    text = "".join(path.read_text() for path in (system.settings.home / "logs").glob("*.log"))
    return sorted((float(begin), float(end), queue) for queue, begin, end in TURN.findall(text))


def test_two_workers_that_start_together_take_turns(system: Installation, card: DeviceTurns) -> None:
    embed_id = 2
    with card.turn():
        run = annotate.request(system.ctx, ["red"], annotate.Targets(), score_threshold=0.1)
        system.start(Queue.SIGLIP, Queue.SAM3)
        wait_until(lambda: is_running(system, embed_id) and is_running(system, run.id), 90, "two chunks")
    jobs_done = [system.wait(job_id) for job_id in (embed_id, run.id)]
    assert [(job.state, job.done) for job in jobs_done] == [(JobState.DONE, N_FRAMES)] * 2, system.logs()
    assert search.by_text(system.ctx, "red", 3, search.Scope()).hits

    turns = turns_of(system)
    assert {queue for *_, queue in turns} == {"siglip", "sam3"}
    assert all(end <= begin for (_, end, _), (begin, _, _) in pairwise(turns))
    assert sum(first[2] != second[2] for first, second in pairwise(turns)) > 2, "they took turns"


def test_a_chunk_that_waits_for_its_turn_can_be_cancelled(system: Installation, card: DeviceTurns) -> None:
    with card.turn():
        run = annotate.request(system.ctx, ["red"], annotate.Targets())
        system.start(Queue.SAM3)
        wait_until(lambda: is_running(system, run.id), 90, "chunk that waits")
        queue_for_card = FileLock(system.settings.models_dir / ".locks" / "shared.next.lock")
        wait_until(queue_for_card.is_held, 30, "wait for the card")
        jobs.cancel(system.ctx, run.id)
        assert system.wait(run.id).state is JobState.CANCELLED, "although the card is not free"
