"""A deleted video leaves no row, no file and no vector, whatever interrupts it; all others are untouched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from komadori.core.errors import NotFoundError
from komadori.core.types import AnnotationStatus, Job, JobState
from komadori.db.repositories import annotations, deletions, videos
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.annotations import Filter
from komadori.db.tables import (
    AnnotationRevisionRow,
    AnnotationRow,
    EmbeddingRow,
    FrameRow,
    RunFrameRow,
    SamplingFrameRow,
    SamplingRow,
    SamplingSkipRow,
    VideoRow,
)
from komadori.services import annotate, delete, embed, export, ingest, jobs, review, search, verify
from komadori.storage.local import LocalStore
from komadori.vectors.flat import FlatIndex
from tests.support.app import seed_video
from tests.support.clips import clip
from tests.support.pipeline import Pipeline, pipeline, sampling

EVERY = sampling("every", seconds="0.5")
N_FRAMES = 8
OF_VIDEOS = (
    VideoRow,
    FrameRow,
    SamplingRow,
    SamplingFrameRow,
    SamplingSkipRow,
    EmbeddingRow,
    RunFrameRow,
    AnnotationRow,
    AnnotationRevisionRow,
)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path / "home", lease_s=0.001, max_attempts=100) as made:
        yield made


class Killed(BaseException):
    """Ends the work of a process as SIGKILL does: nothing that comes after it is done."""


def add(system: Pipeline, project: str = "default") -> int:
    """A video by decoding it, for what shares its bytes."""
    return int(system.add(clip("h264.mp4"), EVERY, project).result["video_id"])


def seed(system: Pipeline, name: str = "seeded.mp4", n_frames: int = N_FRAMES) -> int:
    """A video without a file, which takes a moment only."""
    return seed_video(system.ctx, name=name, n_frames=n_frames)[0]


def annotated(system: Pipeline, video_id: int, project: str = "default") -> None:
    """Proposals in each frame, one of which a person has edited."""
    annotate.request(system.ctx, ["red", "white"], annotate.Targets(project, video_id))
    first = system.annotations(video_id=video_id)[0]
    review.edit(system.ctx, first.id, status=AnnotationStatus.ACCEPTED)


def n_rows(system: Pipeline) -> dict[str, int]:
    with system.ctx.sessions.read() as session:
        counts = {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in OF_VIDEOS
        }
    return {name: n for name, n in counts.items() if n}


def files(system: Pipeline) -> set[str]:
    root = system.ctx.home / "blobs"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def n_vectors(system: Pipeline) -> int:
    return system.ctx.index_of(system.embedder.space).count()


def state_of(system: Pipeline) -> tuple[dict[str, int], set[str], int]:
    return n_rows(system), files(system), n_vectors(system)


def finished(system: Pipeline, job: Job) -> Job:
    """A deletion, once it has ended; whoever was killed has lost its lease."""
    system.queue.run_chunk = system.run
    for _round in range(200):
        if system.job(job.id).state.is_terminal:
            break
        jobs.reap(system.ctx)
        system.run_waiting(job.id)
    return system.job(job.id)


@pytest.mark.usefixtures("both_databases")
def test_nothing_is_left_of_a_video_and_all_of_another(system: Pipeline) -> None:
    other = seed(system)
    annotated(system, other)
    before = state_of(system)
    video_id = add(system)
    annotated(system, video_id)
    assert n_vectors(system) == before[2] + N_FRAMES

    job = finished(system, delete.request(system.ctx, video_id))
    assert (job.state, job.total, job.done) == (JobState.DONE, N_FRAMES, N_FRAMES)
    assert state_of(system) == before
    assert n_rows(system)["annotation_revisions"] == 1


def test_a_video_is_gone_for_everybody_at_once(system: Pipeline, tmp_path: Path) -> None:
    other, video_id = seed(system, "other.mp4"), seed(system)
    annotated(system, other)
    annotated(system, video_id)
    annotation, frame = system.annotations(video_id=video_id)[0], system.all_frames(video_id)[0]
    n_searched = search.by_text(system.ctx, "red", 100, search.Scope()).n_searched
    system.hold()

    delete.request(system.ctx, video_id)
    with system.ctx.sessions.read() as session:
        assert [video.id for video in videos.page(session)] == [other]
        assert videos.count(session) == 1
        assert annotations.count(session, Filter()) == annotations.count(session, Filter(video_id=other))
        for look in (
            lambda: videos.get(session, video_id),
            lambda: videos.get_frame(session, frame.id),
            lambda: annotations.get(session, annotation.id),
        ):
            with pytest.raises(NotFoundError):
                look()
    found = search.by_text(system.ctx, "red", 100, search.Scope())
    assert {hit.video_id for hit in found.hits} == {other}
    assert found.n_searched == len(found.hits) == n_searched - N_FRAMES
    with pytest.raises(NotFoundError):
        search.by_frame(system.ctx, frame.id, 5, search.Scope())

    system.queue.run_chunk = system.run
    job = export.request(system.ctx, str(tmp_path / "dataset"), "coco", "all", "default")
    assert system.job(job.id).result["n_annotations"] == len(system.annotations(video_id=other))


@pytest.mark.usefixtures("both_databases")
def test_the_same_bytes_in_another_project_keep_their_files(system: Pipeline) -> None:
    other = add(system, project="second")
    before = state_of(system)
    video_id = add(system)
    assert files(system) == before[1], "the files are shared"

    finished(system, delete.request(system.ctx, video_id))
    assert state_of(system) == before
    assert system.job(verify.request(system.ctx, other).id).done == N_FRAMES

    finished(system, delete.request(system.ctx, other))
    assert state_of(system) == ({}, set(), 0)


def test_a_persons_own_file_stays(system: Pipeline, tmp_path: Path) -> None:
    own = tmp_path / "own.mp4"
    own.write_bytes(clip("h264.mp4").read_bytes())
    video_id = int(system.add(own, EVERY).result["video_id"])
    finished(system, delete.request(system.ctx, video_id))
    assert own.read_bytes() == clip("h264.mp4").read_bytes()


def test_the_same_file_may_be_added_again_before_the_end(system: Pipeline) -> None:
    video_id = add(system)
    old_frames = {frame.id for frame in system.all_frames(video_id)}
    run, system.queue.run_chunk = system.run, lambda _chunk_id: None
    deletion = delete.request(system.ctx, video_id)
    system.queue.run_chunk = run
    again = ingest.request(system.ctx, str(clip("h264.mp4")), "default", EVERY)
    finished(system, deletion)
    assert finished(system, again).state is JobState.DONE

    (video,) = system.videos()
    assert video.id != video_id
    assert video.frame_count == N_FRAMES
    assert not old_frames & {frame.id for frame in system.all_frames(video.id)}
    verified = system.job(verify.request(system.ctx, video.id).id)
    assert (verified.done, verified.failed) == (N_FRAMES, 0)
    assert n_vectors(system) == N_FRAMES


def kill_at(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the n-th change of the world be the last: of a file, of the vectors, of the rows."""
    left = n

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            result = change(*arguments, **named)
            if left == 0:
                raise Killed
            return result

        return changed

    for owner, name in (
        (LocalStore, "delete"),
        (FlatIndex, "delete"),
        (deletions, "remove_frames"),
        (deletions, "remove_video"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


def test_killed_after_any_step_it_goes_on(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of two frames vector, two files and rows; then the packet index, the source, the rest."""
    monkeypatch.setattr(delete, "_FRAMES_AT_ONCE", 1)
    seed(system, "another.mp4", n_frames=1)
    before = state_of(system)
    for n in range(1, 12):
        video_id = seed(system, n_frames=2)
        annotated(system, video_id)
        system.hold()
        job = delete.request(system.ctx, video_id)
        with monkeypatch.context() as patched:
            kill_at(n, patched)
            with pytest.raises(Killed):
                finished(system, job)
        assert n_rows(system)["videos"] == 2, "its own row goes last"

        assert finished(system, job).state is JobState.DONE, n
        assert state_of(system) == before, n


def test_its_jobs_are_cancelled_and_those_of_others_go_on(system: Pipeline) -> None:
    video_id, other = seed(system), seed(system, "other.mp4")
    system.hold()
    verifying = verify.request(system.ctx, video_id)
    embedding, *others = (
        embed.request(system.ctx, project="default", video_id=which) for which in (video_id, other, None)
    )
    deletion = delete.request(system.ctx, video_id)
    assert [system.job(job.id).state for job in (verifying, embedding)] == [JobState.CANCELLED] * 2
    for job in [deletion, *others]:
        assert finished(system, job).state is JobState.DONE


def test_a_batch_that_is_embedded_meanwhile_leaves_no_vector(system: Pipeline) -> None:
    video_id = seed(system)
    with system.ctx.sessions.write() as session:
        session.query(EmbeddingRow).delete()
    system.ctx.index_of(system.embedder.space).delete([f.id for f in system.all_frames(video_id)])
    begun: list[Job] = []

    def delete_now() -> None:
        if not begun:
            system.hold()
            begun.append(delete.request(system.ctx, video_id))
            for _ in range(5):
                system.run_waiting(begun[0].id)

    system.embedder.before_images = delete_now
    finished(system, embed.request(system.ctx, project="default"))
    finished(system, begun[0])
    assert state_of(system) == ({}, set(), 0)


def test_an_attempt_that_died_after_it_stored_vectors_leaves_none(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = seed(system)
    index = system.ctx.index_of(system.embedder.space)
    vectors = index.fetch([frame.id for frame in system.all_frames(video_id)])
    ids = [frame.id for frame in system.all_frames(video_id)]
    system.hold()
    embedding = embed.request(system.ctx, project="default")
    finished(system, delete.request(system.ctx, video_id))
    index.upsert(ids, vectors)
    assert finished(system, embedding).state is JobState.DONE
    assert n_vectors(system) == 0


def test_frames_that_are_annotated_meanwhile_are_passed_over(system: Pipeline) -> None:
    video_id, other = seed(system), seed(system, "other.mp4")
    segment = system.segmenter.model.segment
    begun: list[Job] = []

    def segment_slowly(*arguments: Any, **named: Any) -> Any:
        if not begun:
            system.hold()
            begun.append(delete.request(system.ctx, video_id))
            for _ in range(2):
                system.run_waiting(begun[0].id)
        return segment(*arguments, **named)

    system.segmenter.model = _Segmenter(segment_slowly)
    run = annotate.request(system.ctx, ["red"], annotate.Targets())
    assert finished(system, run).state is JobState.DONE
    with system.ctx.sessions.read() as session:
        assert {chunk.attempts for chunk in chunk_rows.of_job(session, run.id)} == {1}
    assert finished(system, begun[0]).state is JobState.DONE
    assert {a.frame_id for a in system.annotations()} <= {frame.id for frame in system.all_frames(other)}
    assert [video.id for video in system.videos()] == [other]


class _Segmenter:
    def __init__(self, segment: Callable[..., Any]) -> None:
        self.segment = segment
        self.model_id, self.model_revision, self.device_name = "fake", "1", "cpu"


def test_a_file_that_goes_while_another_project_takes_it_is_taken_again(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(system)
    begun: list[Job] = []
    store = ingest._store

    def store_and_lose(*arguments: Any) -> Any:
        row = store(*arguments)
        if not begun:
            begun.append(delete.request(system.ctx, first))
            system.ctx.blobs.delete(row["image_key"])
        return row

    monkeypatch.setattr(ingest, "_store", store_and_lose)
    again = ingest.request(system.ctx, str(clip("h264.mp4")), "second", EVERY)
    finished(system, begun[0])
    assert finished(system, again).state is JobState.DONE
    (video,) = system.videos()
    assert system.job(verify.request(system.ctx, video.id).id).done == N_FRAMES


def test_again_is_the_same_job_and_after_a_cancel_another(system: Pipeline) -> None:
    video_id = seed(system)
    system.hold()
    job = delete.request(system.ctx, video_id)
    assert delete.request(system.ctx, video_id).id == job.id
    jobs.cancel(system.ctx, job.id)
    another = delete.request(system.ctx, video_id)
    assert another.id != job.id
    finished(system, another)
    with pytest.raises(NotFoundError):
        delete.request(system.ctx, video_id)
