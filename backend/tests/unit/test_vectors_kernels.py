"""The two ways to multiply int8 codes give the same whole numbers."""

import numpy as np
import pytest

from komadori.vectors import _kernels

SHAPES = [(0, 8), (1, 1), (3, 5), (1, 1024), (1025, 64), (2100, 768), (70, 1025), (64, 2304)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_numpy_gives_the_whole_numbers(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    codes = random.integers(-127, 128, shape, dtype=np.int8)
    query = random.integers(-127, 128, shape[1], dtype=np.int8)

    assert np.array_equal(_kernels.dot_numpy(codes, query), codes.astype(np.int64) @ query.astype(np.int64))


def test_numpy_does_not_round_the_largest_sums() -> None:
    codes = np.full((2, 2305), 127, np.int8)

    assert _kernels.dot_numpy(codes, codes[0]).tolist() == [2305 * 127**2] * 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extreme", [False, True])
def test_numkong_equals_numpy(shape: tuple[int, int], extreme: bool) -> None:
    pytest.importorskip("numkong")
    random = np.random.default_rng(1)
    codes = random.integers(-127, 128, shape, dtype=np.int8)
    query = random.integers(-127, 128, shape[1], dtype=np.int8)
    if extreme:
        codes, query = np.where(codes < 0, -127, 127).astype(np.int8), np.full_like(query, -127)

    fast = _kernels.fastest()(codes, query)

    assert fast.dtype == np.float64
    assert np.array_equal(fast, _kernels.dot_numpy(codes, query))


def test_codes_in_read_only_memory_are_multiplied() -> None:
    codes = np.frombuffer(bytes(range(64)), np.int8).reshape(4, 16)
    query = np.ones(16, np.int8)

    assert _kernels.fastest()(codes, query).tolist() == [120, 376, 632, 888]
