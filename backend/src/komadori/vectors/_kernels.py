"""The inner product of many int8 rows with one, exactly, by the fastest means installed.

numkong multiplies bytes with the processor's own instructions and reads memory at full
speed; it is an extra. Without it numpy does the same on float32 blocks that stay in the
cache, which is still faster than reading float32 rows from memory.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Kernel = Callable[[NDArray[np.int8], NDArray[np.int8]], NDArray[np.float64]]
"""Takes rows (N, D) and a query (D,), gives the N sums, whole numbers without rounding."""

_BLOCK_ROWS = 1024
_EXACT_COLUMNS = 1024  # 1024 · 127² < 2²⁴: every partial sum is a whole number that float32 holds


@cache
def fastest() -> Kernel:
    """The kernel that searches use on this machine."""
    try:
        import numkong
    except ImportError:
        return dot_numpy
    return _dot_numkong(numkong)


def dot_numpy(codes: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.float64]:
    """The N sums by float32 BLAS, in blocks."""
    n, dim = codes.shape
    sums = np.zeros(n, np.float64)
    for column in range(0, dim, _EXACT_COLUMNS):
        columns = slice(column, min(column + _EXACT_COLUMNS, dim))
        part = query[columns].astype(np.float32)
        for row in range(0, n, _BLOCK_ROWS):
            rows = slice(row, row + _BLOCK_ROWS)
            sums[rows] += codes[rows, columns].astype(np.float32) @ part
    return sums


def _dot_numkong(numkong: Any) -> Kernel:
    def dot(codes: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.float64]:
        if not len(codes):
            return np.zeros(0, np.float64)
        sums = numkong.cdist(query[np.newaxis], codes, "dot")
        return np.asarray(sums, np.float64).reshape(len(codes))

    return dot
