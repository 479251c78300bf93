"""Gives frames their vectors, chunk by chunk, and answers search queries in between."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from komadori.core import absent_words
from komadori.core.attended import attended
from komadori.core.errors import InputError, KomadoriError, NotFoundError
from komadori.core.progress import Cancelled, Progress
from komadori.core.types import Chunk, EmbeddingBatch, Frame, Image, ItemOutcome, Job, Queue
from komadori.db.repositories import embeddings, projects, videos
from komadori.db.repositories import queries as query_rows
from komadori.db.repositories.chunks import Counts, Issue, NewChunk
from komadori.db.repositories.queries import Query, QueryKind
from komadori.media.images import read_frame, read_query_picture
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.services import queries
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, split, submit
from komadori.vectors.base import VectorIndex

KIND = "embed"

_log = logging.getLogger(__name__)

_READERS = 4

_WORDS_AT_ONCE = 8
"""Of those that searches are compared with: about a second of a large model on a processor."""

_MOST_BATCH_PIXELS = 300_000_000
"""Of the frames in one batch, of which two are held at once: 0.9 GB each, or 144 frames of full HD."""


def request(ctx: Context, *, project: str, video_id: int | None = None) -> Job:
    """Queue the embedding of all frames of a project or a video; frames with a vector are passed over.

    Raises:
        NotFoundError: There is no such project, or the video is not in it.
    """
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, project).id
        if video_id is not None:
            videos.check_in_project(session, video_id, project_id, project)
        frame_ids = videos.frame_ids(session, project_id=project_id, video_id=video_id).tolist()
    parameters: dict[str, object] = {"video_id": video_id}
    return submit(ctx, KIND, project_id, parameters, chunks_of(frame_ids, ctx.options.embed_chunk_frames))


def chunks_of(frame_ids: Sequence[int], size: int) -> list[NewChunk]:
    """Chunks of at most ``size`` frames."""
    return split(KIND, Queue.SIGLIP, "frame_ids", frame_ids, size)


def run_chunk(
    ctx: Context,
    embedder: ImageTextEmbedder,
    chunk: Chunk,
    progress: Progress,
    *,
    between_batches: Callable[[], None] = lambda: None,
    stretch: AbstractContextManager[None] | None = None,
) -> ChunkResult:
    """Embed those frames of a chunk that have no vector in the embedder's space yet.

    Where it is cancelled amid the chunk, the vectors that are there by then are kept.

    Args:
        ctx: The ports.
        embedder: The model.
        chunk: Names the frames.
        progress: Hears of each frame, and may stop the work.
        between_batches: Called after every forward pass, so that a person who searches waits for
            one batch and not for the chunk.
        stretch: Entered for the forward passes, and left before the index is written to: that
            may be on another machine, and to wait for.
    """
    frame_ids: list[int] = chunk.payload["frame_ids"]
    space_id, index = register(ctx, embedder), ctx.index_of(embedder.space)
    with ctx.sessions.read() as session:
        there = _indexed(index, embeddings.embedded(session, space_id, frame_ids))
        missing = videos.get_frames(session, [i for i in frame_ids if i not in there])
    _forget_gone(index, set(frame_ids) - there - {frame.id for frame in missing})
    progress.advance(len(frame_ids) - len(missing))
    issues: list[Issue] = []
    ids: list[int] = []
    vectors: list[EmbeddingBatch] = []
    is_cancelled = False
    try:
        with stretch or nullcontext():
            for frames, images in _read_ahead(ctx, missing, embedder.batch_size, issues):
                progress.check_cancelled()
                batch = embedder.embed_images(images)
                issues += _refused(frames, batch)
                ids += [frames[position].id for position in batch.kept]
                vectors.append(batch)
                progress.advance(len(frames))
                between_batches()
    except Cancelled:
        is_cancelled = True
    if ids:
        found = np.concatenate([batch.vectors for batch in vectors])
        attended(lambda: index.upsert(ids, found), progress.check_cancelled)

    def write(session: Session) -> None:
        live = videos.lock_frames(session, ids)
        embeddings.mark_embedded(session, space_id, sorted(live))
        _forget_gone(index, set(ids) - live)

    if is_cancelled:
        return ChunkResult(Counts(done=len(there) + len(ids)), write=write, is_cancelled=True)
    return ChunkResult(Counts(done=chunk.total - len(issues), skipped=len(issues)), issues, write)


def register(ctx: Context, embedder: ImageTextEmbedder) -> int:
    """Make the embedder's space the one that searches use: its id."""
    with ctx.sessions.read() as session:
        active = embeddings.active_space(session, ctx.options.embedder)
    if active is not None and active[1] == embedder.space:
        return active[0]
    with ctx.sessions.write() as session:
        return embeddings.register_space(session, embedder.space, ctx.options.embedder)


def open_space(ctx: Context, embedder: ImageTextEmbedder) -> None:
    """Make the embedder's space the one that searches use, and see that its index is within reach.

    Raises:
        KomadoriError: The index cannot be opened, for a reason that a person has to look at.
    """
    register(ctx, embedder)
    ctx.index_of(embedder.space)


def answer_query(ctx: Context, embedder: ImageTextEmbedder, query_id: int) -> bool:
    """Give a waiting query its vector; False when somebody else did."""
    texts: list[Query] = []
    is_answered = queries.answer(ctx, Queue.SIGLIP, query_id, _finder(ctx, embedder, texts))
    if texts:
        _learn_absent_words(ctx, embedder)
    return is_answered


def answer_waiting_queries(ctx: Context, embedder: ImageTextEmbedder) -> int:
    """Give all waiting queries their vectors: how many there were."""
    texts: list[Query] = []
    n_answered = queries.answer_waiting(ctx, Queue.SIGLIP, _finder(ctx, embedder, texts))
    if texts:
        _learn_absent_words(ctx, embedder)
    return n_answered


def content_key(content: bytes) -> str:
    """The name under which a query's content is cached."""
    return hashlib.sha256(content).hexdigest()


def _finder(
    ctx: Context, embedder: ImageTextEmbedder, texts: list[Query]
) -> Callable[[Query], queries.Write]:
    """Finds the vectors of queries, and notes those in words."""

    def find(query: Query) -> queries.Write:
        space_id = register(ctx, embedder)
        vector = _vector_of(ctx, embedder, query)
        if query.kind == QueryKind.TEXT:
            texts.append(query)
        return lambda session: query_rows.answer_with_vector(session, query.id, space_id, vector)

    return find


def _learn_absent_words(ctx: Context, embedder: ImageTextEmbedder) -> None:
    """Once for a space: the words that searches are compared with. Who searches meanwhile goes first.

    It comes with the first words that are searched for, which have loaded the text tower.
    """
    space_id = register(ctx, embedder)
    with ctx.sessions.read() as session:
        if embeddings.has_absent_words(session, space_id, absent_words.key()):
            return
    try:
        parts = []
        for start in range(0, len(absent_words.WORDS), _WORDS_AT_ONCE):
            parts.append(embedder.embed_texts(absent_words.WORDS[start : start + _WORDS_AT_ONCE]).vectors)
            queries.answer_waiting(ctx, Queue.SIGLIP, _finder(ctx, embedder, []))
        with ctx.sessions.write() as session:
            embeddings.keep_absent_words(session, space_id, absent_words.key(), np.concatenate(parts))
    except Exception:  # noqa: BLE001  (the query has its answer; the next one tries again)
        _log.exception("the words that searches are compared with have no vectors")


def _vector_of(ctx: Context, embedder: ImageTextEmbedder, query: Query) -> NDArray[np.float32]:
    if query.kind == QueryKind.TEXT:
        batch = embedder.embed_texts([query.content])
    else:
        batch = embedder.embed_images([read_query_picture(ctx.blobs.get(query.content))])
    if not len(batch):
        raise InputError(
            "The model gave no vector for this query.",
            hint="Try other words or another picture.",
            code="no-vector",
        )
    vector: NDArray[np.float32] = batch.vectors[0]
    return vector


def _forget_gone(index: VectorIndex, frame_ids: set[int]) -> None:
    """Leave no vector of frames whose video was deleted, nor those that an attempt stored before it died."""
    if frame_ids:
        index.delete(sorted(frame_ids))


def _indexed(index: VectorIndex, frame_ids: set[int]) -> set[int]:
    """Those frames that the index really has: its folder may have been removed or restored from a backup."""
    try:
        index.fetch(sorted(frame_ids))
    except NotFoundError:
        if len(frame_ids) == 1:
            return set()
        ordered = sorted(frame_ids)
        halves = ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]
        return _indexed(index, set(halves[0])) | _indexed(index, set(halves[1]))
    return frame_ids


def _read_ahead(
    ctx: Context, frames: Sequence[Frame], size: int, issues: list[Issue]
) -> Iterator[tuple[list[Frame], list[Image]]]:
    """Batches of readable frames; the next one is read while the caller works on this one."""
    batches = list(_batches(frames, size))
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="read-frame")

    def start_reading(batch: list[Frame]) -> list[tuple[Frame, Future[Image]]]:
        return [(frame, pool.submit(_read, ctx, frame)) for frame in batch]

    try:
        waiting = start_reading(batches[0]) if batches else []
        for position in range(len(batches)):
            current, waiting = waiting, []
            if position + 1 < len(batches):
                waiting = start_reading(batches[position + 1])
            kept, images = _finished(current, issues)
            if kept:
                yield kept, images
    finally:
        pool.shutdown(cancel_futures=True)  # who is cancelled should not wait for a slow disk


def _batches(frames: Sequence[Frame], size: int) -> Iterator[list[Frame]]:
    """Up to ``size`` frames each, fewer where they are so large that memory would not do."""
    batch: list[Frame] = []
    n_pixels = 0
    for frame in frames:
        n_pixels += frame.width * frame.height
        if batch and (len(batch) == size or n_pixels > _MOST_BATCH_PIXELS):
            yield batch
            batch, n_pixels = [], frame.width * frame.height
        batch.append(frame)
    if batch:
        yield batch


def _read(ctx: Context, frame: Frame) -> Image:
    return read_frame(ctx.blobs.get(frame.image_key))


def _finished(
    reads: Sequence[tuple[Frame, Future[Image]]], issues: list[Issue]
) -> tuple[list[Frame], list[Image]]:
    kept: list[Frame] = []
    images: list[Image] = []
    for frame, read in reads:
        try:
            images.append(read.result())
            kept.append(frame)
        except KomadoriError as error:
            issues.append(Issue(f"frame {frame.id}", ItemOutcome.SKIPPED, str(error)))
    return kept, images


def _refused(frames: Sequence[Frame], batch: EmbeddingBatch) -> list[Issue]:
    kept = set(batch.kept.tolist())
    return [
        Issue(f"frame {frame.id}", ItemOutcome.SKIPPED, "The model could not embed this picture.")
        for position, frame in enumerate(frames)
        if position not in kept
    ]
