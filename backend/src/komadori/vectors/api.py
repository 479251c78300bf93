"""An index that another machine holds: everything goes to its API, over HTTP.

For workers that cannot share the disk of a :mod:`~komadori.vectors.flat` index. What has been
said to be stored is on that machine's disk. Every request leaves the same behind when it comes
twice, so one without an answer is simply sent again; the API may be replaced meanwhile.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from komadori.core import vector_rows
from komadori.core.errors import ConflictError
from komadori.vectors._checks import checked_ids, checked_query, checked_rows
from komadori.vectors._connection import PATIENCE_S, Connection
from komadori.vectors.base import Neighbours, VectorIndex

_REQUEST_BYTES = 4 * 2**20
"""Of a body or an answer at most; the API takes twice that."""

_Ids = NDArray[np.int64]


def create(url: str, key: str, dim: int, *, token: str | None = None) -> VectorIndex:
    """Open the index of the space ``key`` that the API at ``url`` holds.

    Raises:
        InputError: ``url`` is no HTTP address.
        ConflictError: The vectors there have another dimension.
        DependencyError: The API does not know the token or the space, or is none.
        StorageError: Nothing answers.
    """
    return ApiIndex(Connection(url, token), key, dim)


class ApiIndex:
    """A :class:`VectorIndex` by way of HTTP; safe for threads.

    Args:
        connection: Leads to the API.
        key: The name of the space.
        dim: Components of each vector.
        patience_s: How long a request is tried again while nothing answers.
    """

    def __init__(self, connection: Connection, key: str, dim: int, patience_s: float = PATIENCE_S) -> None:
        self._connection = connection
        self._path = f"/spaces/{key}"
        self._dim = dim
        self._patience_s = patience_s
        there = connection.get_number(self._path, "dim", patience_s=0.0)
        if there != dim:
            raise ConflictError(
                f"The vector index at {connection.url} holds {there} components a vector, not {dim}.",
                hint="Let the worker and the API use the same model and the same version of Komadori.",
                code="dimension-mismatch",
            )

    @property
    def dim(self) -> int:
        """The number of components of each vector."""
        return self._dim

    def upsert(self, ids: Sequence[int] | _Ids, vectors: NDArray[np.float32]) -> None:
        """Add the vectors (N, D) of unit norm under N distinct ids, in place of what they had.

        Many go in several requests: readers may see the first before the last.

        Raises:
            InputError: The ids are not distinct, or a vector is not finite, not of unit norm or
                of another dimension; nothing was sent.
            StorageError: Nothing answers, or the disk there is full or failed. Some may be stored;
                the same call again stores the rest.
        """
        checked, rows = checked_rows(ids, vectors, self._dim)
        for part in _parts(len(checked), vector_rows.row_bytes(self._dim)):
            self._post("vectors", vector_rows.encode_rows(checked[part], rows[part]))

    def delete(self, ids: Sequence[int] | _Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        wanted = np.unique(checked_ids(ids))
        for part in _parts(len(wanted), wanted.itemsize):
            self._post("vectors/deletions", vector_rows.encode_ids(wanted[part]))

    def search(self, vector: NDArray[np.float32], k: int, within: _Ids | None = None) -> Neighbours:
        """The ``k`` nearest to ``vector`` (D,) by inner product, exactly; ties by id.

        Args:
            vector: (D,) float32 of unit norm.
            k: How many at most.
            within: Only these ids are looked at; None for all, empty for none.

        Raises:
            InputError: ``k`` is below 1 or more than the API gives, or the vector is not finite,
                not of unit norm or of another dimension.
        """
        query = vector_rows.encode_vectors(checked_query(vector, k, self._dim))
        if within is None:
            return self._searched(query, k, is_within=False)
        wanted = np.unique(checked_ids(within))
        found = [
            self._searched(query + vector_rows.encode_ids(wanted[part]), k, is_within=True)
            for part in _parts(len(wanted), wanted.itemsize)
        ]
        return _best(found, k)

    def fetch(self, ids: Sequence[int] | _Ids) -> NDArray[np.float32]:
        """The vectors (N, D) of N ids, in that order, bit for bit as they came.

        Raises:
            NotFoundError: An id is not there.
        """
        wanted = checked_ids(ids)
        rows = np.empty((len(wanted), self._dim), np.float32)
        for part in _parts(len(wanted), vector_rows.row_bytes(self._dim)):
            answer = self._post("vectors/fetches", vector_rows.encode_ids(wanted[part]))
            rows[part] = vector_rows.decode_vectors(answer, self._dim)
        return rows

    def count(self) -> int:
        """How many ids have a vector."""
        return self._connection.get_number(self._path, "n_vectors", self._patience_s)

    def _searched(self, body: bytes, k: int, *, is_within: bool) -> Neighbours:
        answer = self._post("vectors/searches", body, k=k, within=int(is_within))
        return Neighbours(*vector_rows.decode_scored(answer))

    def _post(self, noun: str, content: bytes, **query: int) -> bytes:
        return self._connection.post(f"{self._path}/{noun}", content, self._patience_s, **query)


def _parts(n: int, item_bytes: int) -> Iterator[slice]:
    """Slices of ``n`` items that fit in one request each."""
    size = max(1, _REQUEST_BYTES // item_bytes)
    return (slice(start, start + size) for start in range(0, n, size))


def _best(found: Sequence[Neighbours], k: int) -> Neighbours:
    """The best ``k`` of several answers about different ids."""
    ids = np.concatenate([np.zeros(0, np.int64), *(part.ids for part in found)])
    scores = np.concatenate([np.zeros(0, np.float32), *(part.scores for part in found)])
    order = np.lexsort((ids, -scores))[:k]
    return Neighbours(ids[order], scores[order])
