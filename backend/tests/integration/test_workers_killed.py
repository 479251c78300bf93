"""Real Celery workers are killed without warning amid a job: nothing is lost, nothing is done twice."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.types import JobState, JsonDict, Queue, WorkerState
from komadori.db.repositories import annotations, embeddings, projects, videos
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.annotations import Filter
from komadori.db.repositories.chunks import Held
from komadori.services import annotate, ingest, jobs, search
from tests.support.clips import ffmpeg
from tests.support.workers import Installation, installation, wait_until

N_FRAMES = 100
SAMPLING: JsonDict = {"sampler": "every", "parameters": {"seconds": "0.2"}, "skip_near_duplicates": False}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s of moving coloured shapes with a keyframe every third of a second."""
    path = tmp_path_factory.mktemp("clips") / "shapes.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=20")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", str(path))
    return path


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Installation]:
    with installation(
        tmp_path, decode_chunk_s=0.005, embed_chunk_frames=2, annotate_chunk_frames=1, decode_workers=2
    ) as running:
        yield running


@pytest.mark.usefixtures("both_databases")
def test_each_worker_is_killed_amid_its_job_and_all_is_done_once(system: Installation, clip: Path) -> None:
    system.start(Queue.DEFAULT)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    system.kill(Queue.DEFAULT)
    system.start(Queue.DEFAULT)
    done = system.wait(job.id)
    assert (done.state, done.done, done.failed) == (JobState.DONE, N_FRAMES, 0), system.logs()
    assert 2 in system.attempts(job.id), "the kill came while a chunk ran"
    _check_frames(system)

    embed_id = job.id + 1
    system.start(Queue.SIGLIP)
    system.wait_until_amid(embed_id)
    system.kill(Queue.SIGLIP)
    system.start(Queue.SIGLIP)
    embedded = system.wait(embed_id)
    assert (embedded.state, embedded.done) == (JobState.DONE, N_FRAMES), system.logs()
    assert 2 in system.attempts(embed_id)
    _check_vectors(system)

    run = annotate.request(system.ctx, ["red", "green"], annotate.Targets(), score_threshold=0.1)
    system.start(Queue.SAM3)
    system.wait_until_amid(run.id)
    system.kill(Queue.SAM3)
    system.start(Queue.SAM3)
    annotated = system.wait(run.id)
    assert (annotated.state, annotated.done) == (JobState.DONE, N_FRAMES), system.logs()
    assert 2 in system.attempts(run.id)
    _check_annotations(system)


def test_a_killed_child_leaves_its_worker_alive(system: Installation, clip: Path) -> None:
    system.start(Queue.DEFAULT, Queue.SIGLIP)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    system.kill_child(Queue.DEFAULT)
    assert system.wait(job.id).done == N_FRAMES, system.logs()
    system.kill_child(Queue.SIGLIP)
    assert system.child_of(job.id).done == N_FRAMES, system.logs()
    _check_frames(system)
    _check_vectors(system)
    hits = search.by_text(system.ctx, "red", 5, search.Scope()).hits
    assert len(hits) == 5


def test_a_broker_that_forgets_everything_loses_nothing(system: Installation, clip: Path) -> None:
    system.start(Queue.DEFAULT, Queue.SIGLIP)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    system.kill_broker()
    shutil.rmtree(system.settings.home / "run" / "broker")
    system.start_broker()
    assert system.wait(job.id).done == N_FRAMES, system.logs()
    assert system.child_of(job.id).done == N_FRAMES, system.logs()
    _check_frames(system)
    _check_vectors(system)


def test_a_broker_that_pauses_for_long_leaves_no_worker_deaf(system: Installation, clip: Path) -> None:
    """A worker that could not acknowledge a message once took it for unfinished for ever.

    The pause is longer than a socket waits, and the killed children leave messages that are to
    be acknowledged meanwhile.
    """
    system.start(Queue.DEFAULT)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    system.pause_broker()
    system.kill_child(Queue.DEFAULT)
    time.sleep(25)
    system.resume_broker()

    assert system.wait(job.id, 60).done == N_FRAMES, system.logs()
    _check_frames(system)


def test_cancel_keeps_what_was_finished_and_retry_does_the_rest(system: Installation, clip: Path) -> None:
    system.start(Queue.DEFAULT, Queue.SIGLIP)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    jobs.cancel(system.ctx, job.id)
    cancelled = system.wait(job.id)
    assert cancelled.state is JobState.CANCELLED
    assert 0 < cancelled.done < N_FRAMES
    assert system.child_of(job.id).done == cancelled.done, "what was finished can be searched"
    jobs.retry(system.ctx, job.id)
    assert system.wait(job.id).done == N_FRAMES
    _check_frames(system)


def test_a_pause_outlives_the_restart_of_everything(system: Installation, clip: Path) -> None:
    system.start(Queue.DEFAULT)
    job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
    system.wait_until_amid(job.id)
    jobs.pause(system.ctx, job.id)
    wait_until(lambda: not _held(system), 10, "rest")
    kept = system.job(job.id).done
    system.kill(Queue.DEFAULT)
    system.kill_broker()
    system.start_broker()
    system.start(Queue.DEFAULT)
    system.wait_for_worker(Queue.DEFAULT, WorkerState.READY)
    jobs.reap(system.ctx)
    paused = system.job(job.id)
    assert (paused.state, paused.done, _held(system)) == (JobState.PAUSED, kept, [])
    jobs.resume(system.ctx, job.id)
    assert system.wait(job.id).done == N_FRAMES
    _check_frames(system)


def test_a_worker_finds_the_broker_of_a_home_with_a_long_name(tmp_path: Path, clip: Path) -> None:
    """Its socket is in the folder of temporary files, and a worker has one of its own."""
    with installation(tmp_path / ("long-" * 20), decode_workers=1) as system:
        assert not system.settings.broker_socket.is_relative_to(tmp_path)
        system.start(Queue.DEFAULT)
        job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
        assert system.wait(job.id).done == N_FRAMES, system.logs()


def test_a_search_goes_ahead_of_bulk_work(tmp_path: Path, clip: Path) -> None:
    with installation(tmp_path, embed_chunk_frames=1, decode_workers=2) as system:
        system.start(Queue.DEFAULT)
        job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
        system.wait(job.id)
        system.start(Queue.SIGLIP)
        embed_id = job.id + 1
        wait_until(lambda: system.job(embed_id).done > 0, 60, "first vector")
        result = search.by_text(system.ctx, "red", 3, search.Scope())
        assert result.hits
        assert result.n_searched < N_FRAMES, "the answer came before the bulk work had ended"
        system.wait(embed_id)


def _held(system: Installation) -> list[Held]:
    """The chunks that run, with who runs them."""
    with system.ctx.sessions.read() as session:
        return chunk_rows.held(session, system.ctx.options.lease_s)


def _check_frames(system: Installation) -> None:
    with system.ctx.sessions.read() as session:
        frames = list(videos.iterate_frames(session, 1))
    assert len(frames) == N_FRAMES
    assert len({frame.pts for frame in frames}) == N_FRAMES
    assert all(system.ctx.blobs.exists(frame.image_key) for frame in frames)


def _check_vectors(system: Installation) -> None:
    with system.ctx.sessions.read() as session:
        active = embeddings.active_space(session, "fake")
        assert active is not None
        assert embeddings.count_embedded(session, active[0]) == N_FRAMES
    assert system.ctx.index_of(active[1]).count() == N_FRAMES


def _check_annotations(system: Installation) -> None:
    """Each frame has what one run alone would have given it: the proposals of a frame never double."""
    with system.ctx.sessions.read() as session:
        found = annotations.page(session, Filter(), limit=10_000)
        frames = {frame.id: frame for frame in videos.iterate_frames(session, 1)}
    assert found
    assert {annotation.frame_id for annotation in found} <= frames.keys()
    shapes = Counter((a.frame_id, a.class_name, a.mask) for a in found)
    assert max(shapes.values()) == 1
