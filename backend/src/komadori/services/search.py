"""Finds frames by words, by a picture or by another frame, and merges them into moments."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from komadori.core import errors
from komadori.core.errors import DependencyError, InputError, NotFoundError
from komadori.core.types import EmbeddingSpace, JobState, Moment, Queue, SearchHit, WorkerState
from komadori.db.repositories import embeddings, projects, videos, workers
from komadori.db.repositories.embeddings import QueryKind
from komadori.media.images import read_query_picture
from komadori.services.context import Context
from komadori.services.embed import content_key

MAX_HITS = 10_000
_MAX_TEXT_LENGTH = 2_000
_POLL_S = (0.002, 0.05)
_WAKE_AGAIN_S = 3.0
"""After so long without an answer a worker is told again: the hint may have been lost, or its taker."""

_LOOK_AT_WORKERS_S = 0.5
_NO_WORKER_PATIENCE_S = 15.0
"""A worker that starts, or starts again, reports after some seconds; when none has by then, none will."""

_QUERIES_KEPT = 10_000
_SPACINGS_IN_A_MOMENT = 2.5


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best frames, best first, and the moments that they form, best first.

    ``n_searched`` frames have a vector; the others cannot be found yet.
    """

    hits: Sequence[SearchHit]
    moments: Sequence[Moment]
    n_searched: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: in one project, or in one video of it."""

    project: str = projects.DEFAULT
    video_id: int | None = None


def by_text(ctx: Context, text: str, k: int, scope: Scope) -> SearchResult:
    """Frames that show what the words say.

    Raises:
        InputError: There are no words, or far too many, or ``k`` is out of range.
        NotFoundError: The project or the video does not exist.
        DependencyError: No worker gave the words a vector in time.
    """
    words = " ".join(text.split())
    if not words or len(words) > _MAX_TEXT_LENGTH:
        raise InputError(
            f"The search text has {len(words)} characters.",
            hint=f"Give between 1 and {_MAX_TEXT_LENGTH}, such as 'a red car at night'.",
            code="bad-search-text",
        )
    key = content_key(words.encode())
    return _search(ctx, *_vector(ctx, QueryKind.TEXT, key, words), k, scope)


def by_picture(ctx: Context, picture: bytes, k: int, scope: Scope) -> SearchResult:
    """Frames that look like a picture.

    Raises:
        InputError: The bytes are no picture, or ``k`` is out of range.
        NotFoundError: The project or the video does not exist.
        DependencyError: No worker gave the picture a vector in time.
    """
    read_query_picture(picture)
    key = content_key(picture)
    blob_key = f"queries/{key[:2]}/{key}.img"
    ctx.blobs.put(blob_key, picture)  # again, too: `komadori gc` leaves alone what is new
    return _search(ctx, *_vector(ctx, QueryKind.PICTURE, key, blob_key), k, scope)


def by_frame(ctx: Context, frame_id: int, k: int, scope: Scope) -> SearchResult:
    """Frames that look like a stored frame, which is among them.

    Raises:
        InputError: ``k`` is out of range.
        NotFoundError: The frame does not exist or has no vector yet, or the scope does not exist.
    """
    with ctx.sessions.read() as session:
        videos.get_frame(session, frame_id)
        active = embeddings.active_space(session, ctx.options.embedder)
        is_embedded = active is not None and bool(embeddings.embedded(session, active[0], [frame_id]))
    if active is None or not is_embedded:
        raise NotFoundError(
            f"Frame {frame_id} has no vector yet.",
            hint="Wait until its embedding job is done (`komadori jobs`), then search again.",
            code="not-embedded-yet",
        )
    space_id, space = active
    return _search(ctx, space_id, space, ctx.index_of(space).fetch([frame_id])[0], k, scope)


def _vector(
    ctx: Context, kind: QueryKind, key: str, content: str
) -> tuple[int, EmbeddingSpace, NDArray[np.float32]]:
    """The vector of a query: from the cache, or from a worker, ahead of all bulk work."""
    source = ctx.options.embedder
    with ctx.sessions.read() as session:
        active = embeddings.active_space(session, source)
        cached = embeddings.cached_query(session, active[0], kind, key) if active else None
    if active is not None and cached is not None and cached.vector is not None:
        return (*active, cached.vector)
    _has_worker(ctx)
    with ctx.sessions.write() as session:
        embeddings.prune_queries(session, 10 * ctx.options.query_timeout_s, _QUERIES_KEPT)
        query_id = embeddings.add_query(session, source, kind, key, content)
    return _await_vector(ctx, query_id)


def _await_vector(ctx: Context, query_id: int) -> tuple[int, EmbeddingSpace, NDArray[np.float32]]:
    watch = _Watch(ctx, query_id)
    until_s = time.monotonic() + ctx.options.query_timeout_s
    pause_s, longest_pause_s = _POLL_S
    while time.monotonic() < until_s:
        watch.look()
        with ctx.sessions.read() as session:
            query = embeddings.get_query(session, query_id)
            if query is not None and query.vector is not None and query.space_id is not None:
                return query.space_id, embeddings.get_space(session, query.space_id), query.vector
        if query is not None and query.state == JobState.FAILED and query.error is not None:
            raise errors.from_dict(query.error)
        time.sleep(pause_s)
        pause_s = min(longest_pause_s, pause_s * 1.5)
    raise _no_answer(ctx, is_told=watch.is_told)


class _Watch:
    """Sees to it, while a query waits, that a worker hears of it and that there is one."""

    def __init__(self, ctx: Context, query_id: int) -> None:
        self._ctx = ctx
        self._query_id = query_id
        self._worker_seen_s = time.monotonic()
        self._look_at_s = self._worker_seen_s + _LOOK_AT_WORKERS_S
        self._wake_at_s: float | None = None
        self.is_told = False
        """Whether the broker took the last hint."""

    def look(self) -> None:
        """Do what is due.

        Raises:
            DependencyError: Nobody can answer.
        """
        if self._wake_at_s is None or time.monotonic() >= self._wake_at_s:
            self._wake_worker()
        if time.monotonic() >= self._look_at_s:
            self._look_for_worker()

    def _wake_worker(self) -> None:
        if self._wake_at_s is not None:  # who took the query may be dead; two who answer it say the same
            with self._ctx.sessions.write() as session:
                embeddings.requeue_query(session, self._query_id)
        self.is_told = self._ctx.queue.wake_for_query(self._query_id)
        self._wake_at_s = time.monotonic() + _WAKE_AGAIN_S

    def _look_for_worker(self) -> None:
        if _has_worker(self._ctx):
            self._worker_seen_s = time.monotonic()
        elif time.monotonic() > self._worker_seen_s + _NO_WORKER_PATIENCE_S:
            raise _no_worker()
        self._look_at_s = time.monotonic() + _LOOK_AT_WORKERS_S


def _has_worker(ctx: Context) -> bool:
    """Whether a worker answers, or will once it is up.

    Raises:
        DependencyError: Every worker waits for its model.
    """
    with ctx.sessions.read() as session:
        found = workers.of_queue(session, Queue.SIGLIP)
    if found and all(worker.state == WorkerState.WAITING for worker in found):
        raise DependencyError(
            f"The worker for the queue siglip cannot answer yet, {found[0].detail}",
            hint="Search again once it is ready; `komadori models` lists what is here.",
            code="waiting-for-model",
        )
    return bool(found)


def _no_worker() -> DependencyError:
    return DependencyError(
        "No worker for the queue siglip runs, so nothing makes a vector of the query.",
        hint="Start one with `komadori worker siglip`, in containers with `make up-gpu` or `make up`.",
        code="no-embedding-worker",
    )


def _no_answer(ctx: Context, *, is_told: bool) -> DependencyError:
    waited = f"within {ctx.options.query_timeout_s:g} s"
    if not is_told:
        return DependencyError(
            f"The broker took no message {waited}, so no worker has heard of the query.",
            hint="Check that the broker runs and answers (`komadori doctor`), then search again.",
            code="unreachable-broker",
        )
    return DependencyError(
        f"No siglip worker gave the query a vector {waited}.",
        hint="See with `komadori doctor` whether the queue siglip has a worker, then search again.",
        code="no-embedding-worker",
    )


def _search(
    ctx: Context, space_id: int, space: EmbeddingSpace, vector: NDArray[np.float32], k: int, scope: Scope
) -> SearchResult:
    if not 1 <= k <= MAX_HITS:
        raise InputError(f"Asked for {k} hits.", hint=f"Ask for 1 to {MAX_HITS}.", code="bad-hit-count")
    with ctx.sessions.read() as session:
        limits = _limits(session, scope)
        within = videos.frame_ids(session, **limits) if limits else None
    found = ctx.index_of(space).search(vector, k, within)
    with ctx.sessions.read() as session:
        frames = {frame.id: frame for frame in videos.get_frames(session, found.ids.tolist())}
        spacing = videos.mean_spacing_s(session, sorted({frame.video_id for frame in frames.values()}))
        n_searched = embeddings.count_embedded(session, space_id, **limits)
    hits = [
        SearchHit(frame_id, frames[frame_id].video_id, frames[frame_id].pts_s, float(score))
        for frame_id, score in zip(found.ids.tolist(), found.scores.tolist(), strict=True)
        if frame_id in frames
    ]
    return SearchResult(hits, moments(hits, spacing), n_searched)


def _limits(session: Session, scope: Scope) -> dict[str, int]:
    """What restricts the frames that may be found; empty when all may."""
    project = projects.by_name(session, scope.project)
    if scope.video_id is not None:
        videos.check_in_project(session, scope.video_id, project.id, scope.project)
        return {"video_id": scope.video_id}
    if videos.count(session) == videos.count(session, project.id):
        return {}
    return {"project_id": project.id}


def moments(hits: Sequence[SearchHit], spacing_s: dict[int, float]) -> list[Moment]:
    """Merge hits of a video that lie within a few frame spacings of each other; best first.

    Args:
        hits: In any order.
        spacing_s: The usual distance of stored frames, by video.
    """
    merged: list[Moment] = []
    for video_id in sorted({hit.video_id for hit in hits}):
        gap_s = _SPACINGS_IN_A_MOMENT * spacing_s.get(video_id, 0.0)
        own = sorted((hit for hit in hits if hit.video_id == video_id), key=lambda hit: hit.pts_s)
        breaks = [i + 1 for i, (a, b) in enumerate(pairwise(own)) if b.pts_s - a.pts_s > gap_s]
        for start, end in pairwise([0, *breaks, len(own)]):
            part = own[start:end]
            best = max(part, key=lambda hit: (hit.score, -hit.frame_id))
            merged.append(Moment(video_id, part[0].pts_s, part[-1].pts_s, best.frame_id, best.score))
    return sorted(merged, key=lambda moment: (-moment.score, moment.video_id, moment.from_pts_s))
