"""Codes, and the proof that an estimate from them cannot be further off than it says."""

import hashlib

import numpy as np
import pytest

from komadori.vectors._quantiser import ROUNDING, Quantiser
from tests.support.vectors import Floats, unit_vectors


def with_outlier(rows: Floats, value: float) -> Floats:
    rows = rows.copy()
    rows[:, 3] += np.float32(value)
    changed: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return changed


@pytest.mark.parametrize("dim", [1, 5, 64, 100, 768, 1152])
@pytest.mark.parametrize("kind", ["even", "outlier", "one component", "near the query"])
def test_the_truth_is_within_the_margin(dim: int, kind: str) -> None:
    rows, quantiser = unit_vectors(400, dim), Quantiser(dim)
    query = unit_vectors(1, dim, seed=9)[0]
    if kind == "outlier" and dim > 3:
        rows = with_outlier(rows, 2.0)
    if kind == "one component":
        rows = np.eye(dim, dtype=np.float32)
    if kind == "near the query":
        near = query + np.float32(0.01) * rows
        rows = near / np.linalg.norm(near, axis=1, keepdims=True)

    codes, code = quantiser.encode(rows), quantiser.encode_query(query)
    estimates = (codes.codes.astype(np.int64) @ code.code.astype(np.int64)) * code.scale * codes.scales
    off = np.abs(estimates - rows.astype(np.float64) @ query.astype(np.float64))

    assert (off <= code.margins(codes.errors)).all()


def test_the_stored_error_is_the_norm_of_what_rounding_lost() -> None:
    rows, quantiser = unit_vectors(50, 64), Quantiser(64)
    codes = quantiser.encode(rows)
    turn = quantiser._turn(np.eye(64, dtype=np.float32)).astype(np.float64)

    lost = rows.astype(np.float64) @ turn - codes.codes * codes.scales[:, np.newaxis].astype(np.float64)

    assert np.allclose(codes.errors - ROUNDING, np.linalg.norm(lost, axis=1), atol=1e-6)


@pytest.mark.parametrize("dim", [1, 6, 16, 768, 1152])
def test_the_turn_is_orthogonal(dim: int) -> None:
    turn = Quantiser(dim)._turn(np.eye(dim, dtype=np.float32))

    assert np.allclose(turn @ turn.T, np.eye(dim), atol=1e-6)


def test_a_large_component_does_not_cost_the_others_their_levels() -> None:
    rows = unit_vectors(50, 768)

    plain = Quantiser(768).encode(rows).errors.mean()
    uneven = Quantiser(768).encode(with_outlier(rows, 1.0)).errors.mean()

    assert uneven < 1.2 * plain


def test_the_codes_of_a_release_are_those_of_the_next() -> None:
    ramp = np.arange(1, 769, dtype=np.float32)
    quantiser = Quantiser(768)
    codes = quantiser.encode((ramp / np.linalg.norm(ramp))[np.newaxis]).codes
    signs = quantiser._signs.astype(np.int8).tobytes()

    assert codes[0, :8].tolist() == [6, -8, 13, 1, -1, 0, 0, 7]
    assert hashlib.sha256(signs).hexdigest()[:16] == "3c364a759b41cdfb"
