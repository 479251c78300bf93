"""Vectors for tests of indexes: made from a seed or an id, and searched the slow and certain way."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def unit_vectors(n: int, dim: int, seed: int = 0) -> Floats:
    """(n, dim) random directions."""
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    normalised: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normalised


def vectors_of(ids: Iterable[int], dim: int) -> Floats:
    """The vectors that belong to these ids, the same in every process."""
    rows = [unit_vectors(1, dim, seed=identity % 2**32) for identity in ids]
    return np.concatenate(rows) if rows else np.zeros((0, dim), np.float32)


def true_score(row: Floats, query: Floats) -> np.float32:
    """The inner product without any rounding but the last."""
    return np.float32(math.fsum((row.astype(np.float64) * query.astype(np.float64)).tolist()))


def nearest(
    vectors: Mapping[int, Floats], query: Floats, k: int, within: Iterable[int] | None = None
) -> tuple[list[int], list[float]]:
    """Ids and scores of the best ``k``, ties by id, by looking at each vector."""
    wanted = set(vectors) if within is None else set(vectors) & set(within)
    scored = sorted((-float(true_score(vectors[each], query)), each) for each in wanted)
    return [each for _, each in scored[:k]], [-score for score, _ in scored[:k]]
