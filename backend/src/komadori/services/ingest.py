"""Turns a video file into frames in the ledger: index the packets, decode once, commit per chunk."""

import hashlib
import inspect
import json
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from komadori.core import registry
from komadori.core.errors import InputError, NotFoundError, StorageError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, Job, JsonDict, Queue, Video, VideoState
from komadori.db.repositories import jobs, projects, videos
from komadori.db.repositories.jobs import Counts, Issue, NewChunk
from komadori.db.repositories.videos import NewVideo
from komadori.media.base import ExtractedFrame, ExtractOptions, VideoFacts
from komadori.media.extract import extract_segment
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import probe_video
from komadori.media.segments import Segment, plan_segments
from komadori.sampling.base import Sampler
from komadori.services import embed
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, submit

KIND = "ingest"
PROBE = "probe"
DECODE = "decode"

_HASH_BLOCK = 1 << 20
_CHECK_EVERY_BLOCKS = 64


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
    file = check_path(path)
    sampler_of(sampling)
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, _project_name(project)).id
    parameters: dict[str, object] = {"path": str(file), "sampling": sampling}
    job_id = submit(ctx, KIND, project_id, parameters, [NewChunk(PROBE, Queue.DEFAULT, {}, 0)])
    with ctx.sessions.read() as session:
        return jobs.get(session, job_id)


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


def check_path(path: str) -> Path:
    """The file, once it is sure that it is one."""
    file = Path(path)
    if "\0" in path or not file.is_absolute():
        raise InputError(
            f"{path!r} is no absolute path.", hint="Give the file's path from the root.", code="bad-path"
        )
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no file {file}.",
            hint="Check the path; the machine that runs Komadori must see it.",
            code="no-such-file",
        ) from error
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}.",
            hint="Check its permissions and those of its folders.",
            code="unreadable-file",
        ) from error
    if stat.S_ISDIR(mode):
        raise InputError(
            f"{file} is a folder.",
            hint=f"Name the videos in it, such as {file}/*.mp4.",
            code="is-a-directory",
        )
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{file} is no ordinary file.",
            hint="Save the recording to a file and add that.",
            code="not-a-file",
        )
    return file


def run_probe(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Recognise the file, index its packets, choose the frames and plan the decoding."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
    path = check_path(job.parameters["path"])
    sampling: JsonDict = job.parameters["sampling"]
    sha256 = sha256_of(path, progress)
    facts, index = probe_video(path)
    key = index_key(sha256)
    if not ctx.blobs.exists(key):
        ctx.blobs.put(key, index.to_bytes())
    targets = [candidate.decode_index for candidate in sampler_of(sampling).select(index.candidates())]
    new = NewVideo(
        project_id=job.project_id,
        sha256=sha256,
        name=path.name,
        source_uri=str(path),
        size_bytes=path.stat().st_size,
        duration_s=facts.duration_s,
        width=facts.width,
        height=facts.height,
        facts=facts.to_dict(),
    )

    def write(session: Session) -> None:
        video = _find_or_add(session, new)
        sampling_id = videos.sampling(session, video.id, _key_of(sampling), sampling)
        there = videos.frame_ids_by_index(session, video.id, facts.stream_index, targets)
        videos.link_sampling(session, sampling_id, list(there.values()))
        missing = [target for target in targets if target not in there]
        segments = plan_segments(index, missing, facts=facts)
        payload = {"video_id": video.id, "sampling_id": sampling_id}
        jobs.add_chunks(
            session,
            job.id,
            [
                NewChunk(DECODE, Queue.DEFAULT, {**payload, "segment": s.to_dict()}, len(s.targets))
                for s in segments
            ],
        )
        jobs.set_result(
            session,
            job.id,
            video_id=str(video.id),
            sampling_id=str(sampling_id),
            n_targets=len(targets),
            n_already_there=len(there),
        )
        videos.set_state(session, video.id, VideoState.EXTRACTING)
        _queue_embedding(ctx, session, job, sorted(there.values()))

    return ChunkResult(Counts(), write=write)


def run_decode(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Decode one portion of a video, store the pictures and enter them in the ledger."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        video = videos.get(session, chunk.payload["video_id"])
    segment = Segment.from_dict(chunk.payload["segment"])
    options = ExtractOptions(
        jpeg_quality=ctx.options.jpeg_quality,
        thumbnail_px=ctx.options.thumbnail_size,
        skip_near_duplicates=job.parameters["sampling"]["skip_near_duplicates"],
    )
    extracted: list[ExtractedFrame] = []

    def on_frame(frame: ExtractedFrame) -> None:
        extracted.append(frame)
        progress.advance()
        progress.check_cancelled()

    scratch = ctx.blobs.scratch()
    try:
        report = extract_segment(
            check_path(video.source_uri),
            VideoFacts.from_dict(video.facts),
            load_index(ctx, video),
            segment,
            scratch,
            options=options,
            on_frame=on_frame,
        )
        kept = [frame for frame in extracted if frame.skipped is None]
        rows = [_store(ctx, video, frame) for frame in kept]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    issues = [
        Issue(f"frame {frame.decode_index} of {video.name}", "skipped", frame.skipped)
        for frame in extracted
        if frame.skipped is not None
    ]
    issues += [
        Issue(f"frame {decode_index} of {video.name}", "skipped", reason)
        for decode_index, reason in report.missing.items()
    ]

    def write(session: Session) -> None:
        videos.add_frames(session, rows)
        ids = videos.frame_ids_by_index(
            session, video.id, video.stream_index, [frame.decode_index for frame in kept]
        )
        videos.link_sampling(session, chunk.payload["sampling_id"], list(ids.values()))
        _queue_embedding(ctx, session, job, [ids[index] for index in sorted(ids)])

    return ChunkResult(Counts(done=len(kept), skipped=len(issues)), issues, write)


def load_index(ctx: Context, video: Video) -> PacketIndex:
    """The packet index of a video; made again when it is gone."""
    key = index_key(video.sha256)
    try:
        return PacketIndex.from_bytes(ctx.blobs.get(key))
    except (NotFoundError, StorageError):
        _, index = probe_video(check_path(video.source_uri))
        ctx.blobs.put(key, index.to_bytes())
        return index


def sha256_of(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file, read in blocks; can be cancelled."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            n_blocks = 0
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
                n_blocks += 1
                if n_blocks % _CHECK_EVERY_BLOCKS == 0:
                    progress.check_cancelled()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.",
            hint="Check the file's permissions and the disk it is on.",
            code="unreadable-file",
        ) from error
    return digest.hexdigest()


def index_key(sha256: str) -> str:
    """Where the packet index of a video is kept."""
    return f"indexes/{sha256[:2]}/{sha256}.idx"


def _queue_embedding(ctx: Context, session: Session, job: Job, frame_ids: Sequence[int]) -> None:
    """Let frames be embedded while others are still being decoded."""
    if frame_ids:
        child_id = jobs.open_child(session, job, embed.KIND)
        jobs.add_chunks(session, child_id, embed.chunks_of(frame_ids, ctx.options.embed_chunk_frames))


def _find_or_add(session: Session, new: NewVideo) -> Video:
    there = videos.by_sha256(session, new.project_id, new.sha256)
    if there is None:
        return videos.get(session, videos.add(session, new))
    if there.source_uri != new.source_uri and not Path(there.source_uri).is_file():
        videos.set_source(session, there.id, new.source_uri)
    return there


def _store(ctx: Context, video: Video, frame: ExtractedFrame) -> dict[str, Any]:
    """Move the pictures of a frame into the blob store: its row of the ledger."""
    assert frame.image_path is not None
    assert frame.thumbnail_path is not None
    name = f"{video.sha256[:2]}/{video.sha256}/{video.stream_index}_{frame.decode_index}_{frame.pts}.jpg"
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
        "is_key": frame.is_key,
        "is_suspect": frame.is_suspect,
        "transform": frame.transform,
    }


def _key_of(sampling: JsonDict) -> str:
    return hashlib.sha256(json.dumps(sampling, sort_keys=True).encode()).hexdigest()


def _project_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= 200:
        raise InputError(
            f"A project name of {len(cleaned)} characters was given.",
            hint="Use 1 to 200.",
            code="bad-project-name",
        )
    return cleaned
