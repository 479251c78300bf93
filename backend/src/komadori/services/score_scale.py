"""Says what the scores of a search are worth here: strong, maybe, or nothing.

A score alone says little: how high the best of many frames comes depends on the model, on the frames
and on how many there are. So the best score of a query is compared with the best scores of other
queries over a sample of the very frames that are searched (docs/adr/0024):

- Words with the words of :mod:`komadori.core.absent_words`, which next to nothing shows: how high do
  words come of which there is nothing? Strong is what one such word in 70 would reach, maybe what three
  in ten would. Middle and spread are taken from the lower half, since a few of the words may be there
  after all.
- Pictures with frames of the sample, each compared with all but its neighbours: how alike are frames
  here? Strong is what half of them reach, maybe what all but a tenth do.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from komadori.core import absent_words
from komadori.core.errors import NotFoundError
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import embeddings
from komadori.db.repositories.queries import QueryKind
from komadori.services.context import Context

Band = Literal["strong", "maybe", "none"]

LEAST_FRAMES = 30
"""Fewer say nothing about what comes by chance."""

MOST_FRAMES = 5_000
"""Of the sample. What the best of more frames would reach is judged by the tail of the scores."""

_MOST_PICTURES = 200
_MOMENTS = 20
"""The sample has so many stretches: neighbours within one show the same, and are not compared."""

_STRONG_DEVIATIONS = 2.2
_MAYBE_DEVIATIONS = 0.524
"""Beyond them lie 1.4 % and 30 % of a normal distribution. What looks like something there comes further."""

_STRONG_SHARE = 0.5
_MAYBE_SHARE = 0.1

_SAME_COUNT = 0.02
"""A scale holds until there are more or fewer frames by this share."""

_LEAST_SPREAD = 1e-4
_MOST_KEPT = 256

_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """What scores of one kind of query are worth among some frames.

    Attributes:
        null_mean: The middle of the best scores of the queries that it is compared with.
        null_std: Their spread, as a standard deviation.
        n_null: How many they are.
        strong_from: The least score that is strong.
        maybe_from: The least score that may be right.
    """

    null_mean: float
    null_std: float
    n_null: int
    strong_from: float
    maybe_from: float

    def band(self, score: float) -> Band:
        """What a score is worth."""
        if score >= self.strong_from:
            return "strong"
        return "maybe" if score >= self.maybe_from else "none"


def scale_of(
    ctx: Context,
    space_id: int,
    space: EmbeddingSpace,
    kind: QueryKind,
    n_searched: int,
    limits: dict[str, int],
) -> ScoreScale | None:
    """The scale for queries of a kind among frames; None when there is too little to say.

    It is kept for as long as the number of frames stays about the same, so most searches pay nothing;
    made anew it costs as much as some searches.

    Args:
        ctx: The ports.
        space_id: The space.
        space: Likewise.
        kind: Of the query.
        n_searched: How many frames are searched.
        limits: What restricts them, see ``embeddings.sample_embedded``.
    """
    if n_searched < LEAST_FRAMES:
        return None
    key = (space_id, kind, *sorted(limits.items()))
    kept: tuple[int, ScoreScale] | None = ctx.scales.get(key)
    if kept is not None and abs(kept[0] - n_searched) <= _SAME_COUNT * kept[0]:
        return kept[1]
    scale = _made(ctx, space_id, space, kind, n_searched, limits)
    if scale is not None:
        while len(ctx.scales) >= _MOST_KEPT:
            ctx.scales.pop(next(iter(ctx.scales)), None)
        ctx.scales[key] = n_searched, scale
    return scale


def of_words(scores: _Floats, n_frames: int) -> ScoreScale:
    """The scale from the scores (W, F) of W absent words in F frames, a sample of ``n_frames``."""
    best = _best_of_all(scores, n_frames)
    quarter, middle = np.quantile(best, [0.25, 0.5]).tolist()
    spread = _spread(quarter, middle)
    return ScoreScale(
        middle,
        spread,
        len(best),
        strong_from=middle + _STRONG_DEVIATIONS * spread,
        maybe_from=middle + _MAYBE_DEVIATIONS * spread,
    )


def of_pictures(vectors: _Floats, video_ids: NDArray[np.int64], n_frames: int) -> ScoreScale:
    """The scale from the vectors (F, D) of frames in their order, a sample of ``n_frames``."""
    asked = np.arange(0, len(vectors), math.ceil(len(vectors) / _MOST_PICTURES))
    scores = vectors[asked] @ vectors.T
    distance = np.abs(asked[:, None] - np.arange(len(vectors)))
    is_near = distance <= max(1, len(vectors) // _MOMENTS)
    scores[is_near & (video_ids[asked, None] == video_ids)] = -1.0
    best = _best_of_all(scores, n_frames)
    quarter, middle = np.quantile(best, [0.25, 0.5]).tolist()
    strong, maybe = np.quantile(best, [_STRONG_SHARE, _MAYBE_SHARE]).tolist()
    return ScoreScale(middle, _spread(quarter, middle), len(best), strong_from=strong, maybe_from=maybe)


def _made(
    ctx: Context,
    space_id: int,
    space: EmbeddingSpace,
    kind: QueryKind,
    n_searched: int,
    limits: dict[str, int],
) -> ScoreScale | None:
    every = math.ceil(n_searched / MOST_FRAMES)
    with ctx.sessions.read() as session:
        sample = embeddings.sample_embedded(session, space_id, every, **limits)
        words = embeddings.absent_words(session, space_id, absent_words.key(), space.dim)
    if len(sample) < LEAST_FRAMES or (kind == QueryKind.TEXT and words is None):
        return None
    ids, video_ids = np.array(sample, np.int64).T
    try:
        vectors = ctx.index_of(space).fetch(ids)
    except NotFoundError:  # a video is just being deleted; the next search tries again
        return None
    if words is None or kind == QueryKind.PICTURE:
        return of_pictures(vectors, video_ids, n_searched)
    return of_words(words @ vectors.T, n_searched)


def _best_of_all(scores: _Floats, n_frames: int) -> _Floats:
    """(Q,) the best of each row of (Q, F), as it would be among ``n_frames`` frames.

    Tails fall about exponentially: the best of e times as many is higher by the mean excess over a high
    quantile (Gumbel). Frames of a video are alike, so that is rather too much than too little.
    """
    best: _Floats = scores.max(axis=1)
    if n_frames <= scores.shape[1]:
        return best
    high = np.quantile(scores, 0.99, axis=1, keepdims=True)
    excess = np.median(np.where(scores >= high, scores - high, 0).sum(axis=1) / (scores >= high).sum(axis=1))
    return best + np.float32(excess * math.log(n_frames / scores.shape[1]))


def _spread(quarter: float, middle: float) -> float:
    """The standard deviation of a normal distribution with this lower quartile and median."""
    return max(_LEAST_SPREAD, (middle - quarter) / 0.6745)
