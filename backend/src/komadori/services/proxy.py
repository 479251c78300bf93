"""Makes a copy of a video that browsers play, frame for frame the same; see :mod:`komadori.media.proxy`.

One chunk does it in slices. What it has encoded by then are parts in the blob store, so a slice, and a later
job too, goes on where the last one stopped.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from pathlib import Path

from sqlalchemy.orm import Session

from komadori.core.errors import MediaError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, Job, Queue, Video
from komadori.db.repositories import jobs, videos
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.media import proxy
from komadori.media.base import VideoFacts
from komadori.media.packet_index import PacketIndex
from komadori.services import source_file
from komadori.services.context import Context
from komadori.services.ingest import load_index
from komadori.services.jobs import ChunkResult, submit
from komadori.storage.base import BlobStore

KIND = "proxy"


def key(sha256: str) -> str:
    """Where the proxy of a video is kept."""
    return f"proxies/{sha256[:2]}/{sha256}.mp4"


def request(ctx: Context, video_id: int) -> Job:
    """Queue the making of a proxy; the job that makes it already, if there is one. Its items are frames.

    Raises:
        NotFoundError: There is no such video.
    """
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
    chunk = NewChunk(KIND, Queue.DEFAULT, {}, int(video.facts["n_frames"]))
    return submit(ctx, KIND, video.project_id, {"video_id": video_id}, [chunk], is_unique=True)


def run_chunk(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Copy the video, or encode its next part, and join the parts after the last one."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        video = videos.get(session, job.parameters["video_id"])
    if ctx.blobs.exists(key(video.sha256)):
        remove_parts(ctx.blobs, video.sha256)
        return ChunkResult(Counts(done=chunk.total))
    scratch = ctx.blobs.scratch()
    try:
        return _Maker(ctx, job, video, scratch, progress).next_slice(chunk)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove(blobs: BlobStore, sha256: str) -> None:
    """Remove the proxy of a video, and what has been made of one."""
    blobs.delete(key(sha256))
    remove_parts(blobs, sha256)


def remove_parts(blobs: BlobStore, sha256: str) -> None:
    """Remove the parts of a proxy."""
    for part in reversed(list(_parts(blobs, sha256))):
        blobs.delete(part)


class _Maker:
    """Does one slice of the work for one video."""

    def __init__(self, ctx: Context, job: Job, video: Video, scratch: Path, progress: Progress) -> None:
        self._blobs = ctx.blobs
        self._job, self._video, self._progress = job, video, progress
        self._facts = VideoFacts.from_dict(video.facts)
        known = source_file.stamp_of(video)
        self._path = source_file.source_of(ctx.blobs, video, known, progress)
        self._index: PacketIndex = load_index(ctx, video, progress)
        self._new = scratch / "proxy.mp4"

    def next_slice(self, chunk: Chunk) -> ChunkResult:
        n_parts = len(list(_parts(self._blobs, self._video.sha256)))
        if n_parts == 0 and self._copy():
            return self._end(chunk, n_repeated=0)
        plan = proxy.plan_parts(self._facts, self._index)
        n_repeated = 0
        if n_parts < len(plan):
            n_repeated = self._encode(chunk, n_parts, plan[n_parts])
            n_parts += 1
        if n_parts < len(plan):
            done = Counts(done=plan[n_parts].first)
            return ChunkResult(done, write=self._noting(n_repeated), is_unfinished=True)
        parts = [self._blobs.local_path(part) for part in _parts(self._blobs, self._video.sha256)]
        check = self._progress.check_cancelled
        proxy.join_parts(parts[: len(plan)], self._index, self._new, check_cancelled=check)
        return self._end(chunk, n_repeated)

    def _copy(self) -> bool:
        """Whether a copy of the packets is there now; one that browsers would not show right is dropped."""
        if not proxy.can_be_copied(self._facts, self._index):
            return False
        check = self._progress.check_cancelled
        try:
            proxy.copy_video(self._path, self._facts, self._index, self._new, check_cancelled=check)
        except MediaError as error:
            if error.code != proxy.MISMATCH:
                raise
            self._new.unlink(missing_ok=True)
            return False
        return True

    def _encode(self, chunk: Chunk, number: int, part: proxy.Part) -> int:
        self._progress.advance(part.first - chunk.done)
        n_repeated = proxy.encode_part(
            self._path,
            self._facts,
            self._index,
            part,
            self._new,
            on_frames=self._progress.advance,
            check_cancelled=self._progress.check_cancelled,
        )
        self._blobs.adopt(_part_key(self._video.sha256, number), self._new)
        return n_repeated

    def _end(self, chunk: Chunk, n_repeated: int) -> ChunkResult:
        self._blobs.adopt(key(self._video.sha256), self._new)
        remove_parts(self._blobs, self._video.sha256)
        return ChunkResult(Counts(done=chunk.total), write=self._noting(n_repeated))

    def _noting(self, n_repeated: int) -> Callable[[Session], None]:
        def write(session: Session) -> None:
            before = int(jobs.get(session, self._job.id).result.get("n_repeated", 0))
            jobs.set_result(session, self._job.id, n_repeated=before + n_repeated)

        return write


def _part_key(sha256: str, number: int) -> str:
    return f"proxies/{sha256[:2]}/{sha256}.{number}.part"


def _parts(blobs: BlobStore, sha256: str) -> Iterator[str]:
    """The keys of the parts that are there; they are made one after the other."""
    return takewhile(blobs.exists, (_part_key(sha256, number) for number in count()))
