"""Removes a video with all that was made of it, so that an interruption at any point leaves nothing behind.

The request takes the video away from everybody at once, and frees its identity: the same file may be added
again while the old frames are still being removed. A job then does the rest, some frames at a time: first
their vectors, then, in one transaction, their files and rows. Rows go last, so whoever comes after an
interruption still finds by them what is left.

Files are shared by all videos with the same bytes. Who adds some or removes some holds the lock of these
bytes, and removes only what no other row names.
"""

import time
from collections.abc import Sequence

from sqlalchemy.orm import Session

from komadori.core.progress import Progress
from komadori.core.types import Chunk, Job, JsonDict, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import deletions, embeddings, jobs, uploads
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.db.repositories.statements import lock_bytes
from komadori.db.tables import FrameRow
from komadori.services import proxy
from komadori.services.context import Context
from komadori.services.incoming import IncomingFile, folder_in
from komadori.services.ingest import index_key
from komadori.services.jobs import ChunkResult, announce
from komadori.services.source_file import stored_key, stored_uri

KIND = "delete"

_FRAMES_AT_ONCE = 100
"""Their files are removed while the transaction is open, during which SQLite lets nobody else write."""

_PATIENCE_S = 1.0
_LOOK_S = 0.05


def request(ctx: Context, video_id: int) -> Job:
    """Queue the deletion of a video, which is gone for everybody from now on; its jobs are cancelled.

    The request again gives the same job, or another one when that has ended before its end.

    Raises:
        NotFoundError: There is no such video.
    """
    with ctx.sessions.write() as session:
        project_id = deletions.project_of(session, video_id)
        for job_id in deletions.job_ids(session, project_id, video_id):
            jobs.lock(session, job_id)  # before the video, as whoever ends a chunk does
        video = deletions.mark(session, video_id)
        for job_id in deletions.job_ids(session, project_id, video_id):
            jobs.request_cancel(session, job_id)
        parameters: JsonDict = {"video_id": video_id, "sha256": video.sha256, "name": video.name}
        open_id = jobs.find_open(session, KIND, project_id, parameters)
        job_id = open_id or _queue(session, project_id, parameters)
    announce(ctx)
    with ctx.sessions.read() as session:
        return jobs.get(session, job_id)


def run_chunk(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Remove the next frames of a video, or the video itself when it has none."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        video_id = int(job.parameters["video_id"])
        if not deletions.is_left(session, video_id):
            return ChunkResult(Counts(done=chunk.total))
        own_jobs = deletions.job_ids(session, job.project_id, video_id)
    if not _is_left_alone(ctx, own_jobs, progress):
        return ChunkResult(Counts(done=chunk.done), is_unfinished=True)
    with ctx.sessions.read() as session:
        frames = deletions.next_frames(session, video_id, _FRAMES_AT_ONCE)
        spaces = embeddings.all_spaces(session)
    sha256 = str(job.parameters["sha256"])
    if not frames:
        return ChunkResult(
            Counts(done=chunk.total),
            write=lambda session: _remove_rest(ctx, session, job, own_jobs),
        )
    for space in spaces:
        ctx.index_of(space).delete([frame.id for frame in frames])
    done = min(chunk.total, chunk.done + len(frames))
    return ChunkResult(
        Counts(done=done),
        write=lambda session: _remove_frames(ctx, session, sha256, frames),
        is_unfinished=True,
    )


def remove_unused_source(ctx: Context, session: Session, sha256: str, *, but_for_video_id: int = 0) -> None:
    """Remove an uploaded file of which nothing is made and nothing is to be made; call with its lock held."""
    is_used = (
        deletions.other_with_bytes(session, sha256, but_for_video_id)
        or uploads.has_bytes(session, sha256)
        or deletions.has_live_ingest(session, stored_uri(sha256))
    )
    if not is_used:
        ctx.blobs.delete(stored_key(sha256))


def _queue(session: Session, project_id: int, parameters: JsonDict) -> int:
    n_frames = deletions.count_frames(session, int(parameters["video_id"]))
    job_id = jobs.create(session, KIND, project_id, parameters)
    chunk_rows.add(session, job_id, [NewChunk(KIND, Queue.DEFAULT, {}, n_frames)])
    return job_id


def _is_left_alone(ctx: Context, own_jobs: Sequence[int], progress: Progress) -> bool:
    """Whether nobody works for the video any more; its jobs were cancelled, and are given a moment."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        with ctx.sessions.read() as session:
            if not deletions.has_running_chunk(session, own_jobs):
                return True
        progress.check_cancelled()
        if time.monotonic() > until_s:
            return False
        time.sleep(_LOOK_S)


def _remove_frames(ctx: Context, session: Session, sha256: str, frames: Sequence[FrameRow]) -> None:
    lock_bytes(session, sha256)
    shared = deletions.shared_keys(session, sha256, frames)
    for frame in frames:
        for key in {frame.image_key, frame.thumbnail_key} - shared:
            ctx.blobs.delete(key)
    deletions.remove_frames(session, [frame.id for frame in frames])


def _remove_rest(ctx: Context, session: Session, job: Job, own_jobs: Sequence[int]) -> None:
    """What is left without frames. Uploads that were begun later are not for this video."""
    video_id, sha256 = int(job.parameters["video_id"]), str(job.parameters["sha256"])
    lock_bytes(session, sha256)
    if not deletions.other_with_bytes(session, sha256, video_id):
        ctx.blobs.delete(index_key(sha256))
        proxy.remove(ctx.blobs, sha256)
        for upload_id in uploads.remove_whole(session, sha256, job.created_s):
            IncomingFile(folder_in(ctx.home), upload_id).lock_path.unlink(missing_ok=True)
    remove_unused_source(ctx, session, sha256, but_for_video_id=video_id)
    deletions.remove_video(session, video_id, own_jobs)
