"""Turns a video file into frames in the ledger: index the packets, decode once, commit per chunk."""

import hashlib
import inspect
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from komadori.core import registry
from komadori.core.errors import InputError, NotFoundError, StorageError
from komadori.core.progress import Cancelled, Progress
from komadori.core.types import Chunk, ItemOutcome, Job, JsonDict, Queue, Video, VideoState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs, projects, videos
from komadori.db.repositories.chunks import Counts, Issue, NewChunk
from komadori.db.repositories.statements import lock_bytes
from komadori.db.repositories.videos import NewVideo
from komadori.media.base import ExtractedFrame, ExtractOptions, SegmentReport, VideoFacts
from komadori.media.extract import extract_segment
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import probe_video
from komadori.media.segments import Segment, plan_segments
from komadori.sampling.base import Sampler
from komadori.services import embed, names, source_file
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, submit
from komadori.services.portions import Decode, Portion
from komadori.services.source_file import Stamp

KIND = "ingest"
PROBE = "probe"
DECODE = "decode"


def request(ctx: Context, path: str, project: str, sampling: JsonDict) -> Job:
    """Queue the ingest of a file.

    Args:
        ctx: The ports.
        path: Absolute, on this machine.
        project: Made when it does not exist.
        sampling: ``{"sampler": name, "parameters": {...}, "skip_near_duplicates": bool}``.

    Raises:
        InputError: The path is no readable file, or the sampling makes no sense.
        NotFoundError: There is no such file.
    """
    file = source_file.check_path(path)
    return request_from(ctx, str(file), file.name, project, sampling)


def request_from(ctx: Context, uri: str, name: str, project: str, sampling: JsonDict) -> Job:
    """Queue the ingest of a source by its URI, as :func:`request` does of a file; ``name`` is the video's.

    Raises:
        InputError: The sampling makes no sense.
    """
    sampler_of(sampling)
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, names.cleaned(project, "project")).id
    parameters: dict[str, object] = {"path": uri, "name": name, "sampling": sampling}
    return submit(ctx, KIND, project_id, parameters, [NewChunk(PROBE, Queue.DEFAULT, {}, 0)])


def sampler_of(sampling: JsonDict) -> Sampler:
    """The sampler that a request names, with its parameters.

    Raises:
        InputError: There is no such sampler, or it does not take these parameters.
    """
    create = registry.factory("samplers", sampling["sampler"])
    try:
        inspect.signature(create).bind(**sampling["parameters"])
    except TypeError as error:
        raise InputError(
            f"The sampler {sampling['sampler']!r} does not take these parameters: {error}.",
            hint=f"It takes: {', '.join(inspect.signature(create).parameters) or 'none'}.",
            code="invalid-sampling",
        ) from error
    sampler: Sampler = create(**sampling["parameters"])
    return sampler


def run_probe(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Recognise the file, index its packets, choose the frames and plan the decoding."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
    uri = str(job.parameters["path"])
    path = source_file.locate(ctx.blobs, uri)
    stamp = source_file.stamp(path)
    # First, so that what is no video is not read to its end.
    facts, index = probe_video(path, check_cancelled=progress.check_cancelled)
    sha256 = source_file.sha256_of(path, progress)
    source_file.check_unchanged(path, stamp)
    if ctx.blobs.exists(source_file.stored_key(sha256)):  # ours stays as it is, whatever becomes of the other
        uri = source_file.stored_uri(sha256)
        stamp = source_file.stamp(source_file.locate(ctx.blobs, uri))
    key = index_key(sha256)
    if not ctx.blobs.exists(key):
        ctx.blobs.put(key, index.to_bytes())
    new = NewVideo(
        project_id=job.project_id,
        sha256=sha256,
        name=job.parameters.get("name", path.name),
        source_uri=uri,
        size_bytes=stamp.size_bytes,
        duration_s=facts.duration_s,
        width=facts.width,
        height=facts.height,
        facts=source_file.with_stamp(facts.to_dict(), stamp),
    )
    return ChunkResult(Counts(), write=lambda session: _plan(ctx, session, job, new, stamp, index))


def run_decode(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Decode one portion of a video, store the pictures and enter them in the ledger.

    Where it is cancelled amid the portion, the frames that are there by then are kept, unless
    near-duplicates are skipped: that judges each frame by those before it.
    """
    sampling_id: int = chunk.payload["sampling_id"]
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        video = videos.get(session, chunk.payload["video_id"])
        segment = Segment.from_dict(chunk.payload["segment"])
        stored = videos.frame_ids_by_index(session, video.id, video.stream_index, segment.targets)
        decided = videos.decided_indices(session, sampling_id, segment.targets)
    source_file.source_of(ctx.blobs, video, Stamp(**chunk.payload["stamp"]), progress)
    shared = set() if _skips_near_duplicates(job) else set(stored)
    wanted = tuple(target for target in segment.targets if target not in decided | shared)
    progress.advance(len(segment.targets) - len(wanted))
    portion, is_cancelled = Portion(), False
    scratch = ctx.blobs.scratch()
    try:
        try:
            if wanted:
                decode = _decoder(ctx, job, video, segment, scratch, progress)
                portion.take(decode, wanted, ctx.options.max_attempts)
        except Cancelled:
            if _skips_near_duplicates(job):
                raise
            is_cancelled = True
        frames = [frame for frame in portion.frames if frame.skipped is None]
        rows = [_store(ctx, video, frame) for frame in frames if frame.decode_index not in stored]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    chosen = sorted(shared | {frame.decode_index for frame in frames})
    passed_over = {frame.decode_index: frame.skipped for frame in portion.frames if frame.skipped is not None}
    passed_over |= portion.missing

    def write(session: Session) -> None:
        _check_still_there(ctx, session, video, rows)
        videos.add_frames(session, rows)
        ids = videos.frame_ids_by_index(session, video.id, video.stream_index, chosen)
        videos.link_sampling(session, sampling_id, list(ids.values()))
        _queue_embedding(ctx, session, job, [ids[index] for index in sorted(ids)])
        if not is_cancelled:
            videos.skip(session, sampling_id, passed_over)

    if is_cancelled:
        n_done = len(segment.targets) - len(wanted) + len(frames)
        return ChunkResult(Counts(done=n_done), write=write, is_cancelled=True)
    issues = [
        Issue(f"frame {decode_index} of {video.name}", ItemOutcome.SKIPPED, reason)
        for decode_index, reason in sorted((passed_over | portion.given_up).items())
    ]
    return ChunkResult(Counts(done=chunk.total - len(issues), skipped=len(issues)), issues, write)


def load_index(ctx: Context, video: Video, progress: Progress) -> PacketIndex:
    """The packet index of a video; made again when it is gone, which can be cancelled."""
    key = index_key(video.sha256)
    try:
        return PacketIndex.from_bytes(ctx.blobs.get(key))
    except (NotFoundError, StorageError):
        path = source_file.locate(ctx.blobs, video.source_uri)
        _, index = probe_video(path, check_cancelled=progress.check_cancelled)
        ctx.blobs.put(key, index.to_bytes())
        return index


def index_key(sha256: str) -> str:
    """Where the packet index of a video is kept."""
    return f"indexes/{sha256[:2]}/{sha256}.idx"


def _plan(ctx: Context, session: Session, job: Job, new: NewVideo, stamp: Stamp, index: PacketIndex) -> None:
    """Enter the video, and queue the decoding of those wanted frames that are not decided yet."""
    sampling: JsonDict = job.parameters["sampling"]
    _check_source(ctx, session, new)
    facts = VideoFacts.from_dict(new.facts)
    targets = [candidate.decode_index for candidate in sampler_of(sampling).select(index.candidates())]
    video_id = videos.find_or_add(session, new)
    sampling_id = videos.sampling(session, video_id, _key_of(sampling), sampling)
    stored = videos.frame_ids_by_index(session, video_id, facts.stream_index, targets)
    if not _skips_near_duplicates(job):
        videos.link_sampling(session, sampling_id, list(stored.values()))
    decided = videos.decided_indices(session, sampling_id, targets)
    missing = [target for target in targets if target not in decided]
    segments = plan_segments(index, missing, facts=facts, max_cost_s=ctx.options.decode_chunk_s)
    payload = {"video_id": video_id, "sampling_id": sampling_id, "stamp": stamp.to_dict()}
    chunks = [
        NewChunk(DECODE, Queue.DEFAULT, {**payload, "segment": s.to_dict()}, len(s.targets)) for s in segments
    ]
    chunk_rows.add(session, job.id, chunks)
    jobs.set_result(
        session,
        job.id,
        video_id=str(video_id),
        sampling_id=str(sampling_id),
        n_targets=len(targets),
        n_already_there=len(targets) - len(missing),
    )
    videos.set_state(session, video_id, VideoState.EXTRACTING)
    _queue_embedding(ctx, session, job, sorted(stored.values()))


def _decoder(
    ctx: Context, job: Job, video: Video, segment: Segment, scratch: Path, progress: Progress
) -> Decode:
    """How frames of a segment are decoded."""
    path = source_file.locate(ctx.blobs, video.source_uri)
    index, facts = load_index(ctx, video, progress), VideoFacts.from_dict(video.facts)
    options = ExtractOptions(
        jpeg_quality=ctx.options.jpeg_quality,
        thumbnail_px=ctx.options.thumbnail_size,
        skip_near_duplicates=_skips_near_duplicates(job),
    )

    def decode(targets: Sequence[int], keep: Callable[[ExtractedFrame], None]) -> SegmentReport:
        def on_frame(frame: ExtractedFrame) -> None:
            keep(frame)
            progress.advance()
            progress.check_cancelled()

        return extract_segment(
            path,
            facts,
            index,
            replace(segment, targets=tuple(targets)),
            scratch,
            options=options,
            on_frame=on_frame,
            check_cancelled=progress.check_cancelled,
        )

    return decode


def _check_source(ctx: Context, session: Session, new: NewVideo) -> None:
    """A file of ours may have been removed with the last video of it since it was chosen."""
    lock_bytes(session, new.sha256)
    if source_file.is_stored(new.source_uri) and not ctx.blobs.exists(source_file.stored_key(new.sha256)):
        raise _removed_meanwhile(new.name)


def _check_still_there(ctx: Context, session: Session, video: Video, rows: Sequence[dict[str, Any]]) -> None:
    """Files of the same bytes are shared: the deletion of another video may have removed what is stored.

    Raises:
        NotFoundError: The video itself is being deleted.
        StorageError: A file is gone; the next attempt stores it again.
    """
    lock_bytes(session, video.sha256)
    videos.get(session, video.id)
    keys = [row[column] for row in rows for column in ("image_key", "thumbnail_key")]
    if not all(ctx.blobs.exists(key) for key in keys):
        raise _removed_meanwhile(video.name)


def _removed_meanwhile(name: str) -> StorageError:
    return StorageError(
        f"A file of {name} was removed with another video of the same bytes.",
        hint="The next attempt stores it again; nothing is to be done.",
        code="removed-meanwhile",
    )


def _skips_near_duplicates(job: Job) -> bool:
    """Whether the job's sampling judges pictures, so that frames of other samplings tell it nothing."""
    return bool(job.parameters["sampling"]["skip_near_duplicates"])


def _queue_embedding(ctx: Context, session: Session, job: Job, frame_ids: Sequence[int]) -> None:
    """Let frames be embedded while others are still being decoded."""
    if frame_ids:
        child_id = jobs.open_child(session, job, embed.KIND)
        chunk_rows.add(session, child_id, embed.chunks_of(frame_ids, ctx.options.embed_chunk_frames))


def _store(ctx: Context, video: Video, frame: ExtractedFrame) -> dict[str, Any]:
    """Move the pictures of a frame into the blob store: its row of the ledger.

    The key names the bytes too: another project may have the same frame in another quality.
    """
    assert frame.image_path is not None
    assert frame.thumbnail_path is not None
    place = f"{video.stream_index}_{frame.decode_index}_{frame.pts}"
    name = f"{video.sha256[:2]}/{video.sha256}/{place}_{frame.image_sha256[:16]}.jpg"
    image_key, thumbnail_key = f"frames/{name}", f"thumbnails/{name}"
    ctx.blobs.adopt(image_key, frame.image_path)
    ctx.blobs.adopt(thumbnail_key, frame.thumbnail_path)
    return {
        "video_id": video.id,
        "stream_index": video.stream_index,
        "decode_index": frame.decode_index,
        "pts": frame.pts,
        "time_base_num": frame.time_base.numerator,
        "time_base_den": frame.time_base.denominator,
        "width": frame.width,
        "height": frame.height,
        "image_key": image_key,
        "thumbnail_key": thumbnail_key,
        "image_sha256": frame.image_sha256,
        "perceptual_hash": frame.perceptual_hash,
        "mean_colour": frame.mean_colour,
        "is_key": frame.is_key,
        "is_suspect": frame.is_suspect,
        "transform": frame.transform,
    }


def _key_of(sampling: JsonDict) -> str:
    return hashlib.sha256(json.dumps(sampling, sort_keys=True).encode()).hexdigest()
