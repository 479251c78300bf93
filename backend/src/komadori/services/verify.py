"""Takes stored frames from the source again and compares them with the ledger.

A picture that was lost or damaged in the store is put back, when the source still gives
the very bytes that the ledger names.
"""

import hashlib
import shutil
from itertools import groupby
from pathlib import Path

from komadori.core.progress import Progress
from komadori.core.types import Chunk, Frame, ItemOutcome, Job, Queue, Video
from komadori.db.repositories import jobs, videos
from komadori.db.repositories.chunks import Counts, Issue
from komadori.media.base import ExtractedFrame, ExtractOptions, VideoFacts
from komadori.media.extract import extract_segment, reextract_frames
from komadori.media.packet_index import PacketIndex
from komadori.media.segments import plan_segments
from komadori.services.context import Context
from komadori.services.ingest import load_index
from komadori.services.jobs import ChunkResult, split, submit
from komadori.services.source_file import check_path, sha256_of

KIND = "verify"

_CHUNK_FRAMES = 200


def request(ctx: Context, video_id: int) -> Job:
    """Queue the comparison of all stored frames of a video with its source.

    The job's ``done`` counts the frames that are the same, ``failed`` those that are not.

    Raises:
        NotFoundError: There is no such video.
    """
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
        indices = [frame.decode_index for frame in videos.iterate_frames(session, video_id)]
    chunks = split(KIND, Queue.DEFAULT, "decode_indices", indices, _CHUNK_FRAMES)
    return submit(ctx, KIND, video.project_id, {"video_id": video_id}, chunks)


def run_chunk(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Compare some frames of a video: the stored file and the source against the ledger."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        video = videos.get(session, job.parameters["video_id"])
        wanted = chunk.payload["decode_indices"]
        ids = videos.frame_ids_by_index(session, video.id, video.stream_index, wanted)
        frames = videos.get_frames(session, [ids[index] for index in wanted if index in ids])
    n_gone = chunk.total - len(frames)
    if chunk.position == 0 and sha256_of(check_path(video.source_uri), progress) != video.sha256:
        issues = [_issue(video, frame, "the source file has changed since it was added") for frame in frames]
        return ChunkResult(Counts(failed=len(frames), skipped=n_gone), issues)
    issues = []
    for quality, group in groupby(sorted(frames, key=_quality), key=_quality):
        issues += _differences(ctx, video, list(group), quality, progress)
    return ChunkResult(Counts(done=len(frames) - len(issues), failed=len(issues), skipped=n_gone), issues)


def _differences(
    ctx: Context, video: Video, frames: list[Frame], quality: int, progress: Progress
) -> list[Issue]:
    """What is wrong with frames of one quality; what only the store has lost is put back."""
    options = ExtractOptions(jpeg_quality=quality, thumbnail_px=ctx.options.thumbnail_size)
    facts, index = VideoFacts.from_dict(video.facts), load_index(ctx, video, progress)
    indices = sorted(frame.decode_index for frame in frames)
    path = check_path(video.source_uri)
    taken = reextract_frames(
        path, facts, index, indices, options=options, check_cancelled=progress.check_cancelled
    )
    again = dict(taken)
    issues: list[Issue] = []
    lost: list[Frame] = []
    for frame in frames:
        progress.check_cancelled()
        in_store = _difference_in_store(ctx, frame)
        in_source = _difference_in_source(frame, again.get(frame.decode_index))
        if in_store is not None and in_source is None:
            lost.append(frame)
            in_store += "; it was taken from the source again"
        if in_store is not None or in_source is not None:
            issues.append(_issue(video, frame, "; ".join(filter(None, (in_store, in_source)))))
        progress.advance()
    _put_back(ctx, video, index, lost, options)
    return issues


def _difference_in_store(ctx: Context, frame: Frame) -> str | None:
    if not ctx.blobs.exists(frame.image_key):
        return "the stored picture is gone"
    if hashlib.sha256(ctx.blobs.get(frame.image_key)).hexdigest() != frame.image_sha256:
        return "the stored picture is not the one of the ledger"
    if not ctx.blobs.exists(frame.thumbnail_key):
        return "the stored thumbnail is gone"
    return None


def _difference_in_source(frame: Frame, sha256_again: str | None) -> str | None:
    if sha256_again is None:
        return "the source gives no such frame any more"
    if sha256_again != frame.image_sha256:
        return "the source gives another picture; the decoder may have changed since, see the ledger"
    return None


def _put_back(
    ctx: Context, video: Video, index: PacketIndex, lost: list[Frame], options: ExtractOptions
) -> None:
    """Take pictures from the source again; only the very bytes that the ledger names are stored."""
    by_index = {frame.decode_index: frame for frame in lost}

    def keep(taken: ExtractedFrame) -> None:
        frame = by_index[taken.decode_index]
        if taken.image_sha256 == frame.image_sha256 and taken.image_path and taken.thumbnail_path:
            ctx.blobs.adopt(frame.image_key, taken.image_path)
            ctx.blobs.adopt(frame.thumbnail_key, taken.thumbnail_path)

    path, facts = Path(video.source_uri), VideoFacts.from_dict(video.facts)
    for segment in plan_segments(index, sorted(by_index), facts=facts):
        scratch = ctx.blobs.scratch()
        try:
            extract_segment(path, facts, index, segment, scratch, options=options, on_frame=keep)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _quality(frame: Frame) -> int:
    return int(frame.transform["encoder"]["quality"])


def _issue(video: Video, frame: Frame, reason: str) -> Issue:
    return Issue(f"frame {frame.decode_index} of {video.name}", ItemOutcome.FAILED, reason)
