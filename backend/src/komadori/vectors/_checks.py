"""What every index asks of ids and vectors before it takes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError
from komadori.vectors._quantiser import UNIT_TOLERANCE


def checked_ids(ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The ids as (N,) int64.

    Raises:
        InputError: They are no flat list of whole numbers of 64 bits.
    """
    array = np.asarray(ids) if len(ids) else np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
        raise InputError(
            f"Expected ids as whole numbers of 64 bits (N,), got {array.dtype} of shape {array.shape}.",
            hint="Give a flat list of the ids themselves.",
            code="id-type",
        )
    return array.astype(np.int64, copy=False)


def checked_rows(
    ids: Sequence[int] | NDArray[np.int64], vectors: NDArray[np.float32], dim: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Distinct ids (N,) and their unit vectors (N, dim).

    Raises:
        InputError: The ids are not distinct, or a vector is not finite, not of unit norm or of
            another dimension.
    """
    checked = checked_ids(ids)
    rows = checked_vectors(vectors, len(checked), dim)
    if len(np.unique(checked)) != len(checked):
        raise InputError(
            "Expected distinct ids, some come twice.", hint="Give each id once.", code="duplicate-id"
        )
    return checked, rows


def checked_query(vector: NDArray[np.float32], k: int, dim: int) -> NDArray[np.float32]:
    """The vector (dim,) of a search for ``k``.

    Raises:
        InputError: ``k`` is below 1, or the vector is not finite, not of unit norm or of
            another dimension.
    """
    if k < 1:
        raise InputError(f"Expected k of at least 1, got {k}.", hint="Ask for one result or more.")
    row: NDArray[np.float32] = checked_vectors(np.asarray(vector)[np.newaxis], 1, dim)[0]
    return row


def checked_vectors(vectors: NDArray[np.float32], n: int, dim: int) -> NDArray[np.float32]:
    """The vectors (n, dim), contiguous.

    Raises:
        InputError: One is not finite, not of unit norm or of another dimension, or there are not n.
    """
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        rows = np.ascontiguousarray(vectors, np.float32)
        norms = np.linalg.norm(rows, axis=-1)
    if rows.shape != (n, dim):
        raise InputError(
            f"Expected vectors of shape ({n}, {dim}), got {rows.shape}.",
            hint="Give one vector for each id, from the model that the index was made for.",
            code="vector-shape",
        )
    is_unit = np.abs(norms - 1) <= UNIT_TOLERANCE  # False for NaN
    if not is_unit.all():
        raise InputError(
            f"Expected vectors of norm 1, the one at {int(np.argmin(is_unit))} has "
            f"{float(norms[~is_unit][0]):.6g}.",
            hint="Divide each vector by its norm, and look for NaN in what the model gave.",
            code="vector-not-unit",
        )
    return rows
