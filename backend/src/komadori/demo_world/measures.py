"""How well found masks and search hits agree with the truth.

Masks are compared as run lengths in the size of their frame. "Truth" is what is really there,
"found" what a model says. What is measured on nothing is NaN, never 0 or 1. Whether found masks
lie beside the things is measured in ``offsets``.
"""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from komadori.core.errors import InputError
from komadori.core.masks import Rle, iou_matrix

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]

MATCHED_FROM = 0.5
"""From this IoU on, a found mask counts as that of a true instance."""

SEEN_FROM = 0.3
"""A thing of which less is visible is ignored: whether it is found counts neither way."""

_RECALL_LEVELS = np.linspace(0, 1, 101)
_UNFOUND, _FOUND, _NEITHER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Matching:
    """Which found mask belongs to which true one: P pairs.

    Attributes:
        truth: (P,) int64, positions among the true masks, rising.
        found: (P,) int64, positions among the found ones.
        iou: (P,) float64, of each pair.
    """

    truth: _Ints
    found: _Ints
    iou: _Floats


@dataclass(frozen=True, slots=True)
class Case:
    """What is there and what was found, of one kind in one frame: N true and M found instances.

    Attributes:
        truth: N masks.
        visible: (N,) the share of each true thing that is seen, 0 to 1.
        found: M masks.
        scores: (M,) how sure the model is of each.

    Raises:
        InputError: The lengths differ.
    """

    truth: Sequence[Rle]
    visible: Sequence[float] | NDArray[np.floating]
    found: Sequence[Rle]
    scores: Sequence[float] | NDArray[np.floating]

    def __post_init__(self) -> None:
        lengths = (len(self.truth), len(self.visible), len(self.found), len(self.scores))
        if lengths[0] != lengths[1] or lengths[2] != lengths[3]:
            raise _invalid(
                "Expected a visibility for each true mask and a score for each found one, "
                f"got {lengths[1]} for {lengths[0]} and {lengths[3]} for {lengths[2]}."
            )


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall at each possible score threshold, the strictest first; T thresholds.

    Attributes:
        scores: (T,) float64, falling: what scores at least this much is kept.
        precision: (T,) float64, the share of the kept ones that are right.
        recall: (T,) float64, the share of the true instances that are found; NaN where there are none.
        n_truth: How many true instances there are, without the ignored ones.
    """

    scores: _Floats
    precision: _Floats
    recall: _Floats
    n_truth: int

    @property
    def average_precision(self) -> float:
        """The area below the curve as COCO takes it: mean over 101 recalls of the best precision there."""
        if not self.n_truth:
            return float("nan")
        best = np.append(np.maximum.accumulate(self.precision[::-1])[::-1], 0.0)
        return float(best[np.searchsorted(self.recall, _RECALL_LEVELS)].mean())

    def recall_at(self, precision: float) -> float:
        """The highest recall at which the precision is at least this; 0 where it never is."""
        if not self.n_truth:
            return float("nan")
        return float(self.recall[self.precision >= precision].max(initial=0.0))

    def at_threshold(self, score: float) -> tuple[float, float]:
        """Precision and recall of what scores at least ``score``.

        Nothing kept has a precision of NaN and a recall of 0.
        """
        n_kept = int((self.scores >= score).sum())
        if n_kept:
            return float(self.precision[n_kept - 1]), float(self.recall[n_kept - 1])
        return float("nan"), 0.0 if self.n_truth else float("nan")


def match(truth: Sequence[Rle], found: Sequence[Rle], least_iou: float = MATCHED_FROM) -> Matching:
    """The one-to-one pairing with the largest sum of IoU, of pairs that overlap enough.

    Each pair counts with its IoU when that is at least ``least_iou``, else not at all (H. W. Kuhn, The
    Hungarian method for the assignment problem, 1955).

    Args:
        truth: N masks of one frame.
        found: M masks of the same frame.
        least_iou: Above 0; pairs of less are none.

    Raises:
        InputError: The masks differ in size, or ``least_iou`` is not in (0, 1].
    """
    if not 0 < least_iou <= 1:
        raise _invalid(f"Expected a least IoU above 0 and up to 1, got {least_iou}.")
    overlaps = iou_matrix(truth, found)
    overlaps[overlaps < least_iou] = 0.0
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    iou = overlaps[rows, columns]
    is_pair = iou > 0
    return Matching(rows[is_pair].astype(np.int64), columns[is_pair].astype(np.int64), iou[is_pair])


def mean_iou(matchings: Sequence[Matching]) -> float:
    """The mean IoU of all matched pairs of all frames; NaN without any."""
    overlaps = np.concatenate([np.empty(0), *(matching.iou for matching in matchings)])
    return float(overlaps.mean()) if len(overlaps) else float("nan")


def curve(cases: Sequence[Case], least_iou: float = MATCHED_FROM, least_visible: float = SEEN_FROM) -> Curve:
    """Precision over recall of the found instances of all cases together.

    As COCO does it: in each case the found ones choose in the order of their scores; each takes the
    true instance that it overlaps most, if by ``least_iou`` and not taken yet. True instances of which
    less than ``least_visible`` is seen are ignored, and so is what was found there.

    Args:
        cases: One for each kind and frame that was asked for; also those where the kind is absent, since
            what is found there is wrong.
        least_iou: Above 0.
        least_visible: 0 to 1.

    Raises:
        InputError: Masks of a case differ in size, or ``least_iou`` is not in (0, 1].
    """
    if not 0 < least_iou <= 1:
        raise _invalid(f"Expected a least IoU above 0 and up to 1, got {least_iou}.")
    outcomes = np.concatenate(
        [np.empty(0, np.int64), *(_outcomes(c, least_iou, least_visible) for c in cases)]
    )
    scores = np.concatenate([np.empty(0), *(np.asarray(c.scores, np.float64) for c in cases)])
    n_truth = sum(int((np.asarray(c.visible) >= least_visible).sum()) for c in cases)
    order = np.argsort(-scores[outcomes != _NEITHER], kind="stable")
    scores = scores[outcomes != _NEITHER][order]
    is_right = outcomes[outcomes != _NEITHER][order] == _FOUND
    # Equal scores pass a threshold together.
    lasts = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    n_right, n_kept = np.cumsum(is_right)[lasts], lasts + 1
    recall = n_right / n_truth if n_truth else np.full(len(lasts), np.nan)
    return Curve(scores[lasts], n_right / n_kept, recall, n_truth)


def recall_at_precision(cases: Sequence[Case], precision: float) -> float:
    """The highest share of true instances found while this share of what is found is right; see ``curve``."""
    return curve(cases).recall_at(precision)


def precision_at(k: int, hits: Sequence[Hashable], right: Collection[Hashable]) -> float:
    """The share of right ones among the first ``k`` hits of a search.

    Missing hits count as wrong. Where fewer than ``k`` right ones exist at all, 1 cannot be reached.

    Args:
        k: At least 1.
        hits: Of the search, best first, without repeats.
        right: All that answer it.

    Raises:
        InputError: ``k`` is below 1.
    """
    if k < 1:
        raise _invalid(f"Expected k of 1 or more, got {k}.")
    return sum(hit in right for hit in hits[:k]) / k


def recall_at_1(searches: Sequence[tuple[Sequence[Hashable], Collection[Hashable]]]) -> float:
    """The share of searches whose best hit is right; NaN without searches.

    Args:
        searches: For each the hits, best first, and all that are right.
    """
    if not searches:
        return float("nan")
    return sum(precision_at(1, hits, right) for hits, right in searches) / len(searches)


def _outcomes(case: Case, least_iou: float, least_visible: float) -> _Ints:
    """(M,) for each found instance: found, unfound (that is: wrong) or neither."""
    is_counted = np.asarray(case.visible) >= least_visible
    overlaps = iou_matrix(case.truth, case.found)
    is_free = np.ones(len(case.truth), np.bool_)
    outcomes = np.full(len(case.found), _UNFOUND, np.int64)
    for j in np.argsort(-np.asarray(case.scores, np.float64), kind="stable"):
        for is_wanted, outcome in ((is_counted, _FOUND), (~is_counted, _NEITHER)):
            i = _closest(overlaps[:, j], is_free & is_wanted, least_iou)
            if i is not None:
                is_free[i] = False
                outcomes[j] = outcome
                break
    return outcomes


def _closest(overlaps: _Floats, is_candidate: _Bools, least_iou: float) -> int | None:
    """Which candidate overlaps most, if it does so enough."""
    candidates = np.where(is_candidate, overlaps, 0.0)
    if not len(candidates) or candidates.max() < least_iou:
        return None
    return int(candidates.argmax())


def _invalid(message: str) -> InputError:
    return InputError(message, hint="Measure with values in the ranges that the docstring names.")
