"""Ids, vectors and scores as bytes that mean the same on every machine, for the way between two of them.

All numbers are little-endian and stand one after another without gaps. N vectors of D components
with their ids are N rows of ``8 + 4 D`` bytes: an id, then its vector. How many there are follows from
the length. JSON would be several times as long, and would not keep the very bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError

_ID = np.dtype("<i8")
_COMPONENT = np.dtype("<f4")
_SCORED = np.dtype([("id", _ID), ("score", _COMPONENT)])


def row_bytes(dim: int) -> int:
    """The length of one row, an id with its vector."""
    return _row(dim).itemsize


def encode_rows(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> bytes:
    """N ids (N,) and their vectors (N, D)."""
    rows = np.empty(len(ids), _row(vectors.shape[1]))
    rows["id"], rows["vector"] = ids, vectors
    return rows.tobytes()


def decode_rows(data: bytes, dim: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (N,) and vectors (N, ``dim``), copied.

    Raises:
        InputError: The bytes are no whole number of rows.
    """
    rows = _read(data, _row(dim), f"rows of an id and {dim} components")
    return rows["id"].astype(np.int64), rows["vector"].astype(np.float32)


def encode_vectors(vectors: NDArray[np.float32]) -> bytes:
    """Vectors (N, D), or a single one (D,), without ids."""
    return vectors.astype(_COMPONENT).tobytes()


def decode_vectors(data: bytes, dim: int) -> NDArray[np.float32]:
    """Vectors (N, ``dim``), copied.

    Raises:
        InputError: The bytes are no whole number of vectors.
    """
    components = _read(data, np.dtype((_COMPONENT, (dim,))), f"vectors of {dim} components")
    return components.astype(np.float32)


def encode_ids(ids: NDArray[np.int64]) -> bytes:
    """Ids (N,)."""
    return ids.astype(_ID).tobytes()


def decode_ids(data: bytes) -> NDArray[np.int64]:
    """Ids (N,), copied.

    Raises:
        InputError: The bytes are no whole number of ids.
    """
    return _read(data, _ID, "ids").astype(np.int64)


def encode_scored(ids: NDArray[np.int64], scores: NDArray[np.float32]) -> bytes:
    """Ids (N,), each followed by its score (N,) float32."""
    pairs = np.empty(len(ids), _SCORED)
    pairs["id"], pairs["score"] = ids, scores
    return pairs.tobytes()


def decode_scored(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (N,) and scores (N,), copied.

    Raises:
        InputError: The bytes are no whole number of pairs.
    """
    pairs = _read(data, _SCORED, "pairs of an id and a score")
    return pairs["id"].astype(np.int64), pairs["score"].astype(np.float32)


def _row(dim: int) -> np.dtype[np.void]:
    return np.dtype([("id", _ID), ("vector", _COMPONENT, (dim,))])


def _read(data: bytes, kind: np.dtype[Any], what: str) -> NDArray[Any]:
    if len(data) % kind.itemsize:
        raise InputError(
            f"Expected {what}, which are {kind.itemsize} bytes each, got {len(data)} bytes.",
            hint="Send whole ones of the right dimension, little-endian: ids of 8 bytes, float32 components.",
            code="vector-bytes",
        )
    return np.frombuffer(data, kind)
