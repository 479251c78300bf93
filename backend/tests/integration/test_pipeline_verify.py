"""The ledger against the files: what is the same, and what has changed where."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import NotFoundError
from komadori.core.types import Frame, Job, JobState
from komadori.services import verify
from tests.support.clips import clip
from tests.support.pipeline import Pipeline, pipeline, sampling


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    shutil.copy(clip("h264.mp4"), path)
    return path


@pytest.fixture
def system(tmp_path: Path, source: Path) -> Iterator[Pipeline]:
    """An installation with a video of four frames, at 0, 1, 2 and 3 s."""
    with pipeline(tmp_path / "home") as made:
        made.add(source, sampling("every", seconds=1))
        yield made


def frames(system: Pipeline) -> list[Frame]:
    return system.all_frames(1)


def check(system: Pipeline) -> Job:
    return system.job(verify.request(system.ctx, 1).id)


def test_an_untouched_video_is_the_same_frame_by_frame(system: Pipeline) -> None:
    job = check(system)

    assert (job.state, job.total, job.done, job.failed) == (JobState.DONE, 4, 4, 0)
    assert system.issues(job.id) == []


def test_a_tampered_picture_is_found_and_put_back(system: Pipeline) -> None:
    tampered = frames(system)[2]
    original = system.ctx.blobs.get(tampered.image_key)
    system.ctx.blobs.put(tampered.image_key, original[:-100] + bytes(100))

    job = check(system)

    assert (job.state, job.done, job.failed) == (JobState.DONE, 3, 1)
    [issue] = system.issues(job.id)
    assert (issue.item, issue.outcome) == ("frame 60 of film.mp4", "failed")
    assert issue.reason == (
        "the stored picture is not the one of the ledger; it was taken from the source again"
    )
    assert system.ctx.blobs.get(tampered.image_key) == original
    assert check(system).failed == 0


def test_a_lost_picture_is_found_and_put_back(system: Pipeline) -> None:
    lost = frames(system)[0]
    for key in (lost.image_key, lost.thumbnail_key):
        system.ctx.blobs.delete(key)

    job = check(system)

    assert (job.done, job.failed) == (3, 1)
    assert "the stored picture is gone; it was taken" in system.issues(job.id)[0].reason
    assert system.ctx.blobs.exists(lost.thumbnail_key)
    assert check(system).failed == 0


def test_a_changed_source_is_said_for_every_frame(system: Pipeline, source: Path) -> None:
    shutil.copy(clip("long_gop.mp4"), source)

    job = check(system)

    assert (job.state, job.done, job.failed) == (JobState.DONE, 0, 4)
    assert {issue.reason for issue in system.issues(job.id)} == {
        "the source file has changed since it was added"
    }


def test_a_removed_source_fails_with_its_path(system: Pipeline, source: Path) -> None:
    source.unlink()

    job = check(system)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"There is no file {source}." in job.error
    assert "Check the path" in job.error


def test_a_moved_source_is_found_again_when_it_is_added_again(system: Pipeline, source: Path) -> None:
    moved = source.rename(source.with_name("moved.mp4"))

    system.add(moved, sampling("every", seconds=1))

    assert (check(system).done, check(system).failed) == (4, 0)


def test_an_unknown_video_is_refused(system: Pipeline) -> None:
    with pytest.raises(NotFoundError, match="There is no video 99"):
        verify.request(system.ctx, 99)
