"""The ranking is exact however bad the estimates are, as long as they keep to their margins."""

import numpy as np
import pytest

from komadori.vectors import _kernels, _ranking
from komadori.vectors._quantiser import ROUNDING, Codes, Quantiser
from komadori.vectors._ranking import Query
from komadori.vectors._segments import Segment
from komadori.vectors._view import Part, Selection
from tests.support.vectors import Floats, nearest, unit_vectors

DIM = 64
N = 5000


def misleading(quantiser: Quantiser, rows: Floats, query: Floats, size: float, seed: int) -> Codes:
    """Codes of rows that were pushed to and from the query, with errors that own up to it."""
    pushes = size * np.random.default_rng(seed).choice([-1, 1], (len(rows), 1))
    pushed = quantiser.encode(rows + pushes.astype(np.float32) * query)
    kept = pushed.codes * pushed.scales[:, np.newaxis]
    errors = np.linalg.norm(quantiser._turn(rows) - kept, axis=1) + np.float32(ROUNDING)
    return Codes(pushed.codes, pushed.scales, errors.astype(np.float32))


def parts_of(rows: Floats, codes: Codes, size: int) -> list[Selection]:
    selections = []
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        segment = Segment(Codes(codes.codes[part], codes.scales[part], codes.errors[part]), rows[part])
        n = len(rows[part])
        everything = np.arange(n)
        selections.append(
            Selection(Part(segment, everything + start, np.ones(n, np.bool_), everything), everything)
        )
    return selections


@pytest.mark.parametrize("push", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("seed", range(3))
def test_misleading_estimates_do_not_change_the_result(push: float, k: int, seed: int) -> None:
    quantiser, query = Quantiser(DIM), unit_vectors(1, DIM, seed)[0]
    rows = query + np.float32(0.3) * unit_vectors(N, DIM, seed + 100)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codes = misleading(quantiser, rows, query, push, seed)

    found = _ranking.nearest(
        parts_of(rows, codes, 700), Query(query, quantiser.encode_query(query)), k, _kernels.fastest()
    )

    assert (found.ids.tolist(), found.scores.tolist()) == nearest(dict(enumerate(rows)), query, k)


def test_equal_rows_that_fill_one_part_of_many_are_ranked_by_id() -> None:
    quantiser, rows = Quantiser(DIM), unit_vectors(12_000, DIM)
    rows[3000:8000] = rows[3000]
    query = Query(rows[3000], quantiser.encode_query(rows[3000]))

    found = _ranking.nearest(parts_of(rows, quantiser.encode(rows), 1000), query, 20, _kernels.fastest())

    assert found.ids.tolist() == list(range(3000, 3020))
