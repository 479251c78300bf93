"""The port for the nearest-neighbour search over the vectors of one space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The best K entries for a query, best first.

    Attributes:
        ids: (K,) int64.
        scores: (K,) float32, inner products; K may be less than asked for.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class VectorIndex(Protocol):
    """Holds one vector for each id of one space; several processes may use it at once.

    What ``upsert`` has returned from survives a crash of the process and is seen by
    searches in every other process.
    """

    @property
    def dim(self) -> int:
        """The number of components of each vector."""

    def upsert(self, ids: Sequence[int] | NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add the vectors (N, D) of unit norm under N distinct ids, in place of what they had.

        Raises:
            InputError: A vector is not finite, not of unit norm or of another dimension.
        """

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        within: NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """The ``k`` nearest to ``vector`` (D,) by inner product, exactly; ties by id.

        Args:
            vector: (D,) float32 of unit norm.
            k: How many at most.
            within: Only these ids are looked at; None for all, empty for none.
        """

    def fetch(self, ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (N, D) of N ids, in that order.

        Raises:
            NotFoundError: An id is not there.
        """

    def delete(self, ids: Sequence[int] | NDArray[np.int64]) -> None:
        """Forget these ids; unknown ones are ignored."""

    def count(self) -> int:
        """How many ids have a vector."""
