"""A process that fills a flat index: ``python -m tests.support.vector_writer DIR DIM FIRST BATCH N``.

Writes N batches of BATCH ids from FIRST on, prints the first id of a batch once ``upsert`` has returned,
and goes through the same ids again and again when N is 0.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from komadori.vectors.flat import FlatIndex
from tests.support.vectors import vectors_of

SEGMENT_ROWS = 64
ROUND = 20


def main(directory: str, dim: int, first: int, batch: int, n: int) -> None:
    index = FlatIndex(Path(directory), dim, segment_rows=SEGMENT_ROWS)
    for turn in range(n) if n else itertools.count():
        start = first + (turn if n else turn % ROUND) * batch
        ids = np.arange(start, start + batch)
        index.upsert(ids, vectors_of(ids.tolist(), dim))
        sys.stdout.write(f"{start}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], *(int(each) for each in sys.argv[2:]))
