"""Finds frames by words, by a picture or by another frame, and merges them into moments."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from komadori.core import absent_words
from komadori.core.errors import InputError, NotFoundError
from komadori.core.types import EmbeddingSpace, Moment, Queue, SearchHit
from komadori.db.repositories import embeddings, projects, videos
from komadori.db.repositories import queries as query_rows
from komadori.db.repositories.queries import QueryKind
from komadori.media.query_picture import harmless
from komadori.services import names, queries
from komadori.services.context import Context
from komadori.services.embed import content_key
from komadori.services.queries import Asker
from komadori.services.score_scale import Band, ScoreScale, scale_of

MAX_HITS = 10_000
_MAX_TEXT_LENGTH = 2_000
_SPACINGS_IN_A_MOMENT = 2.5

_WORDS_PATIENCE_S = 1.5
"""A small model and a card need less; with a large one on a processor the first search is not judged."""

_POLL_S = 0.02

_ASKER = Asker(Queue.SIGLIP, "a vector of the query", "search again", "no-embedding-worker")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best frames, best first, and the moments that they form, best first.

    ``n_searched`` frames have a vector; the others cannot be found yet. ``scale`` says what the scores
    are worth; None when there is too little to say.
    """

    hits: Sequence[SearchHit]
    moments: Sequence[Moment]
    n_searched: int
    scale: ScoreScale | None

    def band(self, score: float) -> Band:
        """What a score is worth; "maybe" when nothing is known about that."""
        return "maybe" if self.scale is None else self.scale.band(score)

    def n_in(self, band: Band) -> int:
        """How many of the hits are in a band."""
        return sum(self.band(hit.score) == band for hit in self.hits)


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
    if not names.is_visible(words) or len(words) > _MAX_TEXT_LENGTH:
        raise InputError(
            f"A search text of {names.counted(words)} was given.",
            hint=f"Give words of 1 to {_MAX_TEXT_LENGTH} characters, such as 'a red car at night'.",
            code="bad-search-text",
        )
    key = content_key(words.encode())
    return _search(ctx, QueryKind.TEXT, *_vector(ctx, QueryKind.TEXT, key, words), k, scope)


def by_picture(ctx: Context, picture: bytes, k: int, scope: Scope) -> SearchResult:
    """Frames that look like a picture.

    Raises:
        InputError: The bytes are no picture, or ``k`` is out of range.
        NotFoundError: The project or the video does not exist.
        DependencyError: No worker gave the picture a vector in time.
    """
    key = content_key(picture)
    blob_key = f"queries/{key[:2]}/{key}.png"
    is_there = ctx.blobs.exists(blob_key)  # put again, too: `komadori gc` leaves alone what is new
    ctx.blobs.put(blob_key, ctx.blobs.get(blob_key) if is_there else harmless(picture))
    return _search(ctx, QueryKind.PICTURE, *_vector(ctx, QueryKind.PICTURE, key, blob_key), k, scope)


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
    vector = ctx.index_of(space).fetch([frame_id])[0]
    return _search(ctx, QueryKind.PICTURE, space_id, space, vector, k, scope)


def _vector(
    ctx: Context, kind: QueryKind, key: str, content: str
) -> tuple[int, EmbeddingSpace, NDArray[np.float32]]:
    """The vector of a query: from the cache, or from a worker, ahead of all bulk work."""
    source = ctx.options.embedder
    with ctx.sessions.read() as session:
        active = embeddings.active_space(session, source)
        cached = query_rows.cached(session, active[0], kind, key) if active else None
    if active is not None and cached is not None and cached.vector is not None:
        return (*active, cached.vector)
    query = queries.ask(ctx, _ASKER, lambda session: query_rows.add(session, source, kind, key, content))
    assert query.vector is not None
    assert query.space_id is not None
    if kind == QueryKind.TEXT:
        _await_absent_words(ctx, query.space_id)
    with ctx.sessions.read() as session:
        return query.space_id, embeddings.get_space(session, query.space_id), query.vector


def _await_absent_words(ctx: Context, space_id: int) -> None:
    """With the first words of a space, give its worker a moment to learn what nothing looks like."""
    until_s = time.monotonic() + _WORDS_PATIENCE_S
    while time.monotonic() < until_s:
        with ctx.sessions.read() as session:
            if embeddings.has_absent_words(session, space_id, absent_words.key()):
                return
        time.sleep(_POLL_S)


def _search(
    ctx: Context,
    kind: QueryKind,
    space_id: int,
    space: EmbeddingSpace,
    vector: NDArray[np.float32],
    k: int,
    scope: Scope,
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
    scale = scale_of(ctx, space_id, space, kind, n_searched, limits)
    return SearchResult(hits, moments(hits, spacing), n_searched, scale)


def _limits(session: Session, scope: Scope) -> dict[str, int]:
    """What restricts the frames that may be found; empty when all may."""
    project = projects.by_name(session, scope.project)
    if scope.video_id is not None:
        videos.check_in_project(session, scope.video_id, project.id, scope.project)
        return {"video_id": scope.video_id}
    has_others = videos.count(session) > videos.count(session, project.id)
    if not has_others and not videos.is_any_deleting(session):
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
