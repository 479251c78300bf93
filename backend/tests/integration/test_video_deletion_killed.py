"""Real workers are killed amid a deletion: nothing of the video is left, and all of the other."""

from pathlib import Path

import numpy as np
from sqlalchemy import func, select

from komadori.core.file_lock import FileLock
from komadori.core.types import EmbeddingSpace, JobState, Queue
from komadori.db.repositories import deletions, embeddings
from komadori.db.repositories import jobs as rows
from komadori.db.tables import EmbeddingRow, FrameRow, VideoRow
from komadori.services import delete, jobs
from tests.support.app import seed_video
from tests.support.workers import Installation, installation, wait_until

N_FRAMES = 500
SPACE = EmbeddingSpace("a-model", "1", "none", 4)


def seed(system: Installation, name: str, n_frames: int) -> int:
    """A video with pictures and vectors; nobody embeds, so that the worker has the deletion alone."""
    video_id, frame_ids = seed_video(system.ctx, name=name, n_frames=n_frames)
    with system.ctx.sessions.read() as session:
        (waiting,) = [job.id for job in rows.live(session, "embed")]
    jobs.cancel(system.ctx, waiting)
    rng = np.random.default_rng(video_id)
    vectors = rng.normal(size=(n_frames, SPACE.dim)).astype(np.float32)
    system.ctx.index_of(SPACE).upsert(frame_ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    with system.ctx.sessions.write() as session:
        space_id = embeddings.register_space(session, SPACE, "a-model")
        embeddings.mark_embedded(session, space_id, frame_ids)
    return video_id


def n_left(system: Installation, video_id: int) -> int:
    with system.ctx.sessions.read() as session:
        return deletions.count_frames(session, video_id)


def kill_amid(system: Installation, video_id: int, most: int) -> None:
    """Kill the worker while it removes vectors, with at most so many frames left.

    It cannot get ahead meanwhile: for each slice it needs the lock of the index, which is held here.
    """
    lock = FileLock(system.settings.home / "vectors" / SPACE.key / "lock")

    def is_amid() -> bool:
        if lock.try_acquire():
            jobs.reap(system.ctx)  # as in the API: it takes back what was lost, and announces it
            if n_left(system, video_id) <= most:
                return True
            lock.release()
        return False

    system.start(Queue.DEFAULT)
    wait_until(is_amid, 60, "progress", poll_s=0.001)
    system.kill(Queue.DEFAULT)
    lock.release()


def test_killed_at_several_points_it_goes_on_and_leaves_nothing(tmp_path: Path) -> None:
    with installation(tmp_path, decode_workers=1) as system:
        other = seed(system, "other.mp4", 3)
        kept = {path for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
        video_id = seed(system, "long.mp4", N_FRAMES)
        job = delete.request(system.ctx, video_id)
        for most in (N_FRAMES - 1, N_FRAMES - 201):
            kill_amid(system, video_id, most)
            assert n_left(system, video_id) > 0, "it was killed amid the work"

        system.start(Queue.DEFAULT)
        done = system.wait(job.id)
        assert (done.state, done.done) == (JobState.DONE, N_FRAMES), system.logs()
        with system.ctx.sessions.read() as session:
            assert session.scalars(select(VideoRow.id)).all() == [other]
            assert session.scalar(select(func.count()).select_from(FrameRow)) == 3
            assert session.scalar(select(func.count()).select_from(EmbeddingRow)) == 3
        assert system.ctx.index_of(SPACE).count() == 3
        assert {path for path in (tmp_path / "blobs").rglob("*") if path.is_file()} == kept
