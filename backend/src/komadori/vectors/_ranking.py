"""The exact best rows for a query, found without reading most of the vectors.

1. Estimate every selected row from its int8 code. Each estimate comes with a margin that
   the truth cannot leave (see :mod:`komadori.vectors._quantiser`).
2. Compute the true scores of the ``k`` best estimates. The worst of them is a floor: ``k``
   rows reach it, so a row whose estimate plus margin lies below it is not among the best.
3. What remains is ranked by true scores. Where much remains, float32 products of the
   vectors themselves, again with a margin, thin it out first.

A true score is the inner product summed in float64 and rounded to float32 once. It does not
depend on where a row lies or what lies beside it, so equal vectors have equal scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.vectors._kernels import Kernel
from komadori.vectors._quantiser import QueryCode
from komadori.vectors._view import Selection
from komadori.vectors.base import Neighbours

_GATHER_BELOW = 1 / 8
"""Rows are gathered when they are a smaller share of their segment than this, else it is read through."""

_REFINE_ABOVE = 4096
"""How many candidates are worth a pass in float32 before the pass in float64."""

_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Query:
    """A unit vector (D,) float32 to search for, and its code."""

    vector: NDArray[np.float32]
    code: QueryCode


@dataclass(frozen=True, slots=True)
class _Estimates:
    """What is known of the L rows of a selection: the truth lies within ``margins`` of ``scores``."""

    selection: Selection
    scores: NDArray[np.float32]
    margins: NDArray[np.float32]

    def only(self, is_wanted: NDArray[np.bool_]) -> "_Estimates":
        return _Estimates(self.selection.only(is_wanted), self.scores[is_wanted], self.margins[is_wanted])

    def reaching(self, floor: float) -> "_Estimates":
        return self.only(self.scores + self.margins >= floor)


def nearest(selections: Sequence[Selection], query: Query, k: int, kernel: Kernel) -> Neighbours:
    """The ``k`` rows with the largest true scores; ties by id."""
    if _n_rows(selections) > k:
        selections = _narrowed_by_codes(selections, query, k, kernel)
    if _n_rows(selections) > max(k, _REFINE_ABOVE):
        selections = _narrowed_by_float32(selections, query, k)
    ids = np.concatenate([np.zeros(0, np.int64), *(each.part.ids[each.rows] for each in selections)])
    scores = _true_scores(selections, query)
    best = np.lexsort((ids, -scores))[:k]
    return Neighbours(ids[best], scores[best])


def _narrowed_by_codes(
    selections: Sequence[Selection], query: Query, k: int, kernel: Kernel
) -> list[Selection]:
    pool = _pool((_estimate_by_codes(each, query, kernel) for each in selections), k)
    scores = np.concatenate([each.scores for each in pool])
    kth = _largest(scores, k).min()
    leaders = [each.selection.only(each.scores >= kth).first(k) for each in pool]  # ties may be many
    floor = float(_largest(_true_scores(leaders, query), k).min())
    return _reaching(pool, floor)


def _narrowed_by_float32(selections: Sequence[Selection], query: Query, k: int) -> list[Selection]:
    pool = _pool((_estimate_by_float32(each, query) for each in selections), k)
    floor = float(_largest(np.concatenate([each.scores - each.margins for each in pool]), k).min())
    return _reaching(pool, floor)


def _reaching(pool: Sequence[_Estimates], floor: float) -> list[Selection]:
    selections = [each.reaching(floor).selection for each in pool]
    return [each for each in selections if len(each.rows)]


def _pool(estimates: Iterator[_Estimates], k: int) -> list[_Estimates]:
    """The estimates that may be among the best ``k``, judged by the estimates alone.

    The floor rises from part to part, so the pool stays small whatever the size of the index.
    """
    pool, lower_bounds, floor = [], np.zeros(0, np.float32), -np.inf
    for each in estimates:
        promising = each.reaching(floor)
        pool.append(promising)
        lower_bounds = np.concatenate([lower_bounds, promising.scores - promising.margins])
        lower_bounds = _largest(lower_bounds, k)
        if len(lower_bounds) == k:
            floor = float(lower_bounds.min())
    return pool


def _estimate_by_codes(selection: Selection, query: Query, kernel: Kernel) -> _Estimates:
    codes, rows = selection.part.segment.codes, selection.rows
    end = int(rows[-1]) + 1
    chosen = slice(end) if end == len(rows) else rows  # a slice copies nothing
    if len(rows) < len(codes.codes) * _GATHER_BELOW:
        sums = kernel(codes.codes[chosen], query.code.code)
    else:
        sums = kernel(codes.codes[:end], query.code.code)[chosen]
    scores = (sums * query.code.scale * codes.scales[chosen]).astype(np.float32)
    return _Estimates(selection, scores, query.code.margins(codes.errors[chosen]))


def _estimate_by_float32(selection: Selection, query: Query) -> _Estimates:
    dim, rows = len(query.vector), selection.rows
    scores = np.concatenate([block @ query.vector for block in _blocks(selection)])
    # The error of a sum of D float32 products in any order, Higham 2002, section 3.1; twice over.
    return _Estimates(selection, scores, np.full(len(rows), 1e-6 + dim * 2.0**-23, np.float32))


def _true_scores(selections: Sequence[Selection], query: Query) -> NDArray[np.float32]:
    vector = query.vector.astype(np.float64)
    blocks = [
        (block.astype(np.float64) * vector).sum(axis=1).astype(np.float32)
        for each in selections
        for block in _blocks(each)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _blocks(selection: Selection) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(selection.rows), _BLOCK_ROWS):
        yield selection.part.segment.vectors[selection.rows[start : start + _BLOCK_ROWS]]


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    return values if len(values) <= k else np.partition(values, -k)[-k:]


def _n_rows(selections: Sequence[Selection]) -> int:
    return sum(len(each.rows) for each in selections)
