"""A chunk that is cancelled keeps what it has finished, and the next attempt does the rest only."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.progress import Cancelled, check_point
from komadori.core.types import Job, JobState
from komadori.db.repositories.chunks import Counts
from komadori.services import annotate, jobs
from komadori.services.annotate import Targets
from tests.support.app import seed_video
from tests.support.pipeline import Pipeline, pipeline


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path) as made:
        yield made


def seeded(system: Pipeline) -> Job:
    """Six frames, and the job of their embedding, which waits."""
    system.hold()
    seed_video(system.ctx, n_frames=6)
    [job] = system.jobs()
    return job


def finish(system: Pipeline, job: Job) -> Job:
    jobs.retry(system.ctx, job.id)
    system.run_waiting(job.id)
    return system.job(job.id)


def test_embedding_keeps_the_batches_that_it_has(system: Pipeline) -> None:
    job = seeded(system)
    system.embedder.batch_size = 2

    def cancel_in_the_second_batch() -> None:
        if system.embedder.calls:
            jobs.cancel(system.ctx, job.id)
            raise Cancelled

    system.embedder.before_images = cancel_in_the_second_batch
    system.run_waiting(job.id)
    cancelled = system.job(job.id)
    assert (cancelled.state, cancelled.done, cancelled.total) == (JobState.CANCELLED, 2, 6)

    system.embedder.before_images = lambda: None
    done = finish(system, job)

    assert (done.state, done.done) == (JobState.DONE, 6)
    assert system.embedder.calls == ["2 images"] * 3, "no frame went in twice"


def test_annotation_keeps_the_frames_that_it_has(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(system)
    job = annotate.request(system.ctx, ["red", "green"], Targets())
    segment = system.segmenter.model.segment

    def cancel_in_the_third_frame(*arguments: object, **how: object) -> object:
        if len(system.segmenter.calls) == 3:
            jobs.cancel(system.ctx, job.id)
            raise Cancelled
        return segment(*arguments, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(system.segmenter.model, "segment", cancel_in_the_third_frame)
        system.run_waiting(job.id)
    cancelled = system.job(job.id)
    assert (cancelled.state, cancelled.done, cancelled.total) == (JobState.CANCELLED, 2, 6)

    done = finish(system, job)

    assert (done.state, done.done) == (JobState.DONE, 6)
    assert len(system.segmenter.calls) == 3 + 4, "two of the frames were done already"
    found = system.annotations()
    assert len({(a.frame_id, a.class_name, a.bbox_xyxy) for a in found}) == len(found) == 4


def test_a_model_hears_of_a_cancel_between_its_passes(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded(system)
    job = annotate.request(system.ctx, ["red"], Targets())

    def many_passes(*_arguments: object, **_how: object) -> object:
        jobs.cancel(system.ctx, job.id)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            check_point()
            time.sleep(0.02)
        raise AssertionError("it was not told to stop")

    monkeypatch.setattr(system.segmenter.model, "segment", many_passes)
    system.run_waiting(job.id)

    assert system.job(job.id).state is JobState.CANCELLED


def test_vectors_on_their_way_to_a_machine_that_does_not_answer_hold_up_no_cancel(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = seeded(system)
    is_over = threading.Event()
    index = system.ctx.index_of(system.embedder.space)

    def silent(*_arguments: object) -> None:
        jobs.cancel(system.ctx, job.id)
        is_over.wait(60)

    monkeypatch.setattr(index, "upsert", silent)
    began_s = time.monotonic()
    system.run_waiting(job.id)

    assert system.job(job.id).state is JobState.CANCELLED
    assert time.monotonic() - began_s < 20, "not when it gave up"
    is_over.set()


def test_what_a_cancelled_chunk_has_kept_is_not_counted_twice_when_the_cancel_is_withdrawn(
    system: Pipeline,
) -> None:
    """The chunk is queued again, and its next attempt counts what is there by itself."""
    job = seeded(system)

    def cancelled_and_wanted_again() -> None:
        if not system.embedder.calls:
            return
        system.embedder.before_images = lambda: None
        jobs.cancel(system.ctx, job.id)
        jobs.retry(system.ctx, job.id)
        raise Cancelled

    system.embedder.batch_size = 2
    system.embedder.before_images = cancelled_and_wanted_again
    system.run_waiting(job.id)
    again = system.job(job.id)
    assert (again.state, Counts(again.done, again.skipped, again.failed)) == (JobState.RUNNING, Counts())

    system.run_waiting(job.id)

    assert (system.job(job.id).state, system.job(job.id).done) == (JobState.DONE, 6)
