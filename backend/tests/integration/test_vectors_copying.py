"""A copy of an index is one moment of it, whatever writers do meanwhile."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from komadori.core.errors import StorageError
from komadori.vectors import copying
from komadori.vectors._head import Head
from komadori.vectors.flat import FlatIndex

DIM = 8


def vectors(n: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@pytest.fixture
def index(tmp_path: Path) -> FlatIndex:
    """Five segments of four rows, with some ids replaced and one forgotten."""
    made = FlatIndex(tmp_path / "index", DIM, segment_rows=4)
    made.upsert(range(16), vectors(16, 1))
    made.upsert([3, 4], vectors(2, 2))
    made.delete([5])
    return made


def test_a_copy_has_the_same_vectors_and_takes_new_ones(index: FlatIndex, tmp_path: Path) -> None:
    assert copying.copy(tmp_path / "index", tmp_path / "copy")
    ids = [i for i in range(16) if i != 5]

    copied = FlatIndex(tmp_path / "copy", DIM)
    assert copied.count() == 15
    assert np.array_equal(copied.fetch(ids), index.fetch(ids))
    copied.upsert([99], vectors(1, 3))
    assert (copied.count(), index.count()) == (16, 15)


def test_what_is_written_meanwhile_is_not_in_the_copy(
    index: FlatIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_start = copying._copy_start
    before = index.fetch([0, 3])

    def copy_and_write(original: BinaryIO, target: Path, n_bytes: int) -> None:
        copy_start(original, target, n_bytes)
        index.upsert([0, 100, 101], vectors(3, 4))

    monkeypatch.setattr(copying, "_copy_start", copy_and_write)
    copying.copy(tmp_path / "index", tmp_path / "copy")

    copied = FlatIndex(tmp_path / "copy", DIM)
    assert copied.count() == 15
    assert np.array_equal(copied.fetch([0, 3]), before)


def test_files_that_are_removed_before_they_are_opened_begin_the_copy_anew(
    index: FlatIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, is_first = copying._copy, True

    def rewrite_and_copy(head: Head, source: Path, target: Path) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            index.upsert(range(16), vectors(16, 5))
            assert not (source / "rows-000000").exists()
        copy(head, source, target)

    monkeypatch.setattr(copying, "_copy", rewrite_and_copy)
    copying.copy(tmp_path / "index", tmp_path / "copy")

    assert np.array_equal(FlatIndex(tmp_path / "copy", DIM).fetch(range(16)), vectors(16, 5))


def test_no_index_is_no_copy_and_a_damaged_one_is_an_error(index: FlatIndex, tmp_path: Path) -> None:
    assert not copying.copy(tmp_path / "nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()

    next((tmp_path / "index").glob("log-*")).unlink()
    with pytest.raises(StorageError, match="copy the vector index"):
        copying.copy(tmp_path / "index", tmp_path / "copy")
