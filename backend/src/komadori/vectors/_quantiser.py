"""Vectors as int8 codes, with a proof of how far the inner product of two codes can be off.

A row x is turned by an orthogonal matrix R, which changes no inner product, and rounded:
R x = s c + e, with c the code and s one scale for the row. A query likewise: R q = t d + f.
Then

    x · q  =  s t (c · d)  +  s c · f  +  e · R q,

and by Cauchy and Schwarz the last two terms together are at most
(|x| + |e|) |f| + |e| |q|. The norm |e| is stored with each row, |f| is known with the query.

R is there because the scale has to reach the largest component: embedding models have a few
components far larger than the rest, and all others would be left with a handful of levels.
R flips fixed signs and then mixes blocks of components with a Hadamard matrix, which spreads
the large ones over their block (the step that QuIP#, arXiv:2402.04396, calls incoherence
processing). The blocks are powers of four long, so that every entry of R is a power of two.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT_TOLERANCE = 1e-3
"""How far the norm of a vector may be from 1."""

ROUNDING = 5e-4
"""Added to each stored |e|. Covers the float32 rounding of the turn, at most 16 · 256 · 2⁻²⁴ |x|
in norm for blocks of 256, of the difference and of the norm itself."""

_LARGEST_BLOCK = 256
_LEVELS = 127
_SIGN_SEED = 20_260  # changing it changes the format


@dataclass(frozen=True, slots=True)
class Codes:
    """N rows rounded to bytes.

    Attributes:
        codes: (N, D) int8.
        scales: (N,) float32, s of each row.
        errors: (N,) float32, an upper bound of |e| of each row.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    errors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QueryCode:
    """A query rounded to bytes, and what its own rounding adds to the margin."""

    code: NDArray[np.int8]
    scale: float
    margin_per_error: float
    margin: float

    def margins(self, errors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far the estimates of the rows with these errors can be from the truth, (N,)."""
        return errors * np.float32(self.margin_per_error) + np.float32(self.margin)


class Quantiser:
    """Makes codes of vectors with ``dim`` components."""

    def __init__(self, dim: int) -> None:
        self._block = _block_length(dim)
        # The raw stream of a bit generator is the part of numpy.random that never changes.
        bits = np.random.PCG64(_SIGN_SEED).random_raw(dim) >> np.uint64(63)
        self._signs = np.where(bits, np.float32(-1), np.float32(1))
        self._mix = _hadamard(self._block)

    def encode(self, vectors: NDArray[np.float32]) -> Codes:
        """The codes of unit vectors (N, D)."""
        turned = self._turn(vectors)
        scales = np.abs(turned).max(axis=1) / np.float32(_LEVELS)
        codes = np.rint(turned / scales[:, np.newaxis])  # at most ±127, -128 never comes
        turned -= codes * scales[:, np.newaxis]
        errors = np.sqrt(np.einsum("ij,ij->i", turned, turned)) + np.float32(ROUNDING)
        return Codes(codes.astype(np.int8), scales, errors)

    def encode_query(self, vector: NDArray[np.float32]) -> QueryCode:
        """The code of one unit vector (D,)."""
        rounded = self.encode(vector[np.newaxis])
        error, length = float(rounded.errors[0]), 1 + UNIT_TOLERANCE
        return QueryCode(
            rounded.codes[0],
            float(rounded.scales[0]),
            margin_per_error=length + error,
            margin=length * error + 1e-6,  # the float32 rounding of estimate plus margin
        )

    def _turn(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = (vectors * self._signs).reshape(-1, self._block)
        return (blocks @ self._mix).reshape(len(vectors), -1)


def _block_length(dim: int) -> int:
    length = 1
    while length < _LARGEST_BLOCK and dim % (length * 4) == 0:
        length *= 4
    return length


def _hadamard(length: int) -> NDArray[np.float32]:
    """The orthogonal, symmetric matrix (length, length) of Sylvester; length is a power of four."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < length:
        above = np.concatenate([matrix, matrix], axis=1)
        below = np.concatenate([matrix, -matrix], axis=1)
        matrix = np.concatenate([above, below])
    return matrix / np.float32(np.sqrt(length))
