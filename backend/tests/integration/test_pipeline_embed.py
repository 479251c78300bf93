"""Frames get their vectors: each once in each space, with people served in between."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from komadori.core import registry
from komadori.core.errors import NotFoundError, StorageError
from komadori.core.types import EmbeddingSpace, JobState
from komadori.db.repositories import embeddings, queries
from komadori.db.repositories.queries import QueryKind
from komadori.media.images import read_frame
from komadori.services import embed, jobs, search
from komadori.services.embed import content_key
from tests.support.app import seed_video
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path, embed_chunk_frames=4) as made:
        yield made


def space_of(system: Pipeline) -> tuple[int, EmbeddingSpace]:
    with system.ctx.sessions.read() as session:
        active = embeddings.active_space(session, "fake")
    assert active is not None
    return active


def embedded(system: Pipeline, space_id: int) -> int:
    with system.ctx.sessions.read() as session:
        return embeddings.count_embedded(session, space_id)


def test_each_frame_has_the_vector_of_its_picture(system: Pipeline) -> None:
    video_id, ids = seed_video(system.ctx, n_frames=6)

    _, space = space_of(system)
    pictures = [read_frame(system.ctx.blobs.get(frame.image_key)) for frame in system.all_frames(video_id)]
    expected = system.embedder.model.embed_images(pictures).vectors
    assert system.embedder.calls == ["4 images", "2 images"]
    np.testing.assert_allclose(system.ctx.index_of(space).fetch(ids), expected, atol=1e-6)


def test_frames_that_are_large_together_come_in_smaller_batches(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_MOST_BATCH_PIXELS", 2 * 64 * 48)
    seed_video(system.ctx, n_frames=5)
    assert system.embedder.calls == ["2 images", "2 images", "1 images"]


def test_a_frame_that_is_too_large_for_any_batch_has_its_own(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_MOST_BATCH_PIXELS", 1)
    seed_video(system.ctx, n_frames=2)
    assert system.embedder.calls == ["1 images", "1 images"]


def test_embedding_again_runs_no_model(system: Pipeline) -> None:
    seed_video(system.ctx, n_frames=6)
    system.embedder.calls.clear()

    job = embed.request(system.ctx, project="default")

    assert (job.state, job.total, job.done) == (JobState.DONE, 6, 6)
    assert system.embedder.calls == []


def test_an_index_that_was_lost_is_made_again(system: Pipeline, tmp_path: Path) -> None:
    _, ids = seed_video(system.ctx, n_frames=6)
    _, space = space_of(system)
    vectors = system.ctx.index_of(space).fetch(ids)
    shutil.rmtree(tmp_path / "vectors")

    with pipeline(tmp_path) as after:
        after.ctx.index_of(space).upsert(ids[:1], vectors[:1])
        job = embed.request(after.ctx, project="default")

        assert (job.state, job.done) == (JobState.DONE, 6)
        assert after.embedder.calls == ["5 images"]
        np.testing.assert_allclose(after.ctx.index_of(space).fetch(ids), vectors, atol=1e-6)


def test_another_model_is_another_space_and_the_old_one_stays(system: Pipeline, tmp_path: Path) -> None:
    _, ids = seed_video(system.ctx, n_frames=6)
    old_id, old = space_of(system)
    vectors = system.ctx.index_of(old).fetch(ids)

    newer = registry.factory("embedders", "fake")(revision="2")
    with pipeline(tmp_path, embedder_model=newer) as after:
        embed.register(after.ctx, newer)
        assert search.by_text(after.ctx, "red", 3, search.Scope()).n_searched == 0
        job = embed.request(after.ctx, project="default")

        new_id, new = space_of(after)
        assert (job.state, job.done) == (JobState.DONE, 6)
        assert (old.revision, new.revision) == ("1", "2")
        assert embedded(after, old_id) == embedded(after, new_id) == 6
        assert search.by_text(after.ctx, "red", 3, search.Scope()).n_searched == 6
        np.testing.assert_array_equal(after.ctx.index_of(old).fetch(ids), vectors)


def test_a_video_of_another_project_is_refused(system: Pipeline) -> None:
    seed_video(system.ctx, project="mine")
    video_id, _ = seed_video(system.ctx, project="yours")

    with pytest.raises(NotFoundError, match=f"Video {video_id} is not in project 'mine'"):
        embed.request(system.ctx, project="mine", video_id=video_id)


def test_a_damaged_picture_is_one_skipped_item(system: Pipeline) -> None:
    system.hold()
    _, ids = seed_video(system.ctx, n_frames=6)
    system.damage(ids[2])
    system.queue.run_chunk = system.run

    job = embed.request(system.ctx, project="default")

    assert (job.state, job.total, job.done, job.skipped, job.failed) == (JobState.DONE, 6, 5, 1, 0)
    [issue] = system.issues(job.id)
    assert (issue.item, issue.outcome) == (f"frame {ids[2]}", "skipped")
    assert "no readable JPEG" in issue.reason
    assert embedded(system, space_of(system)[0]) == 5


def test_a_person_waits_for_one_batch_and_not_for_the_chunk(system: Pipeline) -> None:
    system.hold()
    seed_video(system.ctx, n_frames=4)
    system.embedder.batch_size = 1
    asked: list[int] = []

    def ask_during_the_second_batch() -> None:
        if system.embedder.calls == ["1 images"]:
            with system.ctx.sessions.write() as session:
                asked.append(queries.add(session, "fake", QueryKind.TEXT, content_key(b"red"), "red"))

    system.embedder.before_images = ask_during_the_second_batch
    system.queue.run_chunk = system.run
    embed.request(system.ctx, project="default")

    assert system.embedder.calls[:5] == ["1 images", "1 images", "texts red", "1 images", "1 images"]
    with system.ctx.sessions.read() as session:
        query = queries.get(session, asked[0])
    assert query is not None
    assert query.state is JobState.DONE


def test_a_crash_between_index_and_database_is_mended_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_arguments: object) -> None:
        raise StorageError("The disk of the database is full.")

    with pipeline(tmp_path, max_attempts=1) as system:
        with monkeypatch.context() as patched:
            patched.setattr(embeddings, "mark_embedded", crash)
            _, ids = seed_video(system.ctx, n_frames=6)
        [job] = system.jobs()
        space_id, space = space_of(system)
        assert job.state is JobState.FAILED
        assert (system.ctx.index_of(space).count(), embedded(system, space_id)) == (6, 0)
        with pytest.raises(NotFoundError, match="no vector yet"):
            search.by_frame(system.ctx, ids[0], 3, search.Scope())
        before = system.ctx.index_of(space).fetch(ids)

        jobs.retry(system.ctx, job.id)

        assert system.job(job.id).state is JobState.DONE
        assert (system.ctx.index_of(space).count(), embedded(system, space_id)) == (6, 6)
        np.testing.assert_array_equal(system.ctx.index_of(space).fetch(ids), before)
        assert search.by_frame(system.ctx, ids[0], 1, search.Scope()).hits[0].frame_id == ids[0]
