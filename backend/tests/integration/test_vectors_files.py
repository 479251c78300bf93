"""The files of a flat index: what is on the disk, what damage does, and how space comes back."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from komadori.core.errors import ConflictError, InputError, StorageError
from komadori.vectors import _head, _ranking
from komadori.vectors._files import IndexFiles
from komadori.vectors._head import Head, HeadFile
from komadori.vectors._ranking import Query
from komadori.vectors._view import Selection
from komadori.vectors.flat import FlatIndex
from tests.support.vectors import Floats, nearest, unit_vectors, vectors_of

DIM = 16
ROWS = 32


def opened(directory: Path) -> FlatIndex:
    return FlatIndex(directory, DIM, segment_rows=ROWS)


def filled(directory: Path, n: int) -> FlatIndex:
    index = opened(directory)
    index.upsert(np.arange(n), vectors_of(range(n), DIM))
    return index


def names(directory: Path, start: str) -> list[str]:
    return sorted(path.name for path in directory.glob(f"{start}*"))


def test_a_head_cut_short_leaves_the_one_before_in_force(tmp_path: Path) -> None:
    path = tmp_path / "head"
    _head.create(path, Head(DIM, ROWS))
    file = HeadFile(path)
    file.publish(Head(DIM, ROWS, sequence=0, next_slot=7))
    file.publish(Head(DIM, ROWS, sequence=1, next_slot=9))
    assert file.read() == Head(DIM, ROWS, sequence=2, next_slot=9)

    with path.open("r+b") as raw:
        raw.seek(20)
        raw.write(b"\xff" * 30)

    assert file.read() == Head(DIM, ROWS, sequence=1, next_slot=7)


def test_a_head_without_a_whole_record_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    (tmp_path / "head").write_bytes(b"\0" * 1024)

    with pytest.raises(StorageError, match="head") as caught:
        opened(tmp_path)

    assert (caught.value.code, "backup" in caught.value.hint) == ("index-damaged", True)
    assert not caught.value.is_retryable


def test_a_head_of_another_size_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes(b"komadori")

    with pytest.raises(StorageError, match="head"):
        opened(tmp_path)


def test_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_head, "FORMAT_VERSION", 2)
    filled(tmp_path, 3)
    monkeypatch.undo()

    with pytest.raises(ConflictError, match="format 2, this release reads 1"):
        opened(tmp_path)


def test_the_head_on_the_disk_is_little_endian_and_starts_with_its_name(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    raw = (tmp_path / "head").read_bytes()

    assert len(raw) == 1024
    assert struct.unpack_from("<8sIIIIQQQQ", raw, 512) == (b"komadori", 1, DIM, ROWS, 0, 1, 0, 3, 3)


@pytest.mark.parametrize("name", ["log-000000", "rows-000001"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    filled(tmp_path, 50)
    (tmp_path / name).unlink()

    with pytest.raises(StorageError, match=name):
        opened(tmp_path).count()


@pytest.mark.parametrize("name", ["log-000000", "rows-000001"])
def test_a_file_that_was_cut_is_named(tmp_path: Path, name: str) -> None:
    filled(tmp_path, 50)
    os.truncate(tmp_path / name, 100)

    with pytest.raises(StorageError, match=name):
        opened(tmp_path).count()


def test_an_index_keeps_the_segment_size_it_was_made_with(tmp_path: Path) -> None:
    filled(tmp_path, 100)

    again = FlatIndex(tmp_path, DIM, segment_rows=1000)
    again.upsert(range(100, 200), vectors_of(range(100, 200), DIM))

    assert np.array_equal(opened(tmp_path).fetch(range(200)), vectors_of(range(200), DIM))
    assert len(names(tmp_path, "rows-")) == 7


def test_a_dimension_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        FlatIndex(tmp_path, 0)


def test_replaced_rows_give_their_space_back(tmp_path: Path) -> None:
    index = filled(tmp_path, 4 * ROWS)
    for _ in range(30):
        index.upsert(range(4 * ROWS), vectors_of(range(4 * ROWS), DIM))

    assert len(names(tmp_path, "rows-")) <= 10
    assert len(names(tmp_path, "log-")) == 1
    assert (tmp_path / names(tmp_path, "log-")[0]).stat().st_size < 16 * 2 * 6 * ROWS
    assert np.array_equal(opened(tmp_path).fetch(range(4 * ROWS)), vectors_of(range(4 * ROWS), DIM))


def test_a_sparse_segment_is_emptied(tmp_path: Path) -> None:
    index = filled(tmp_path, 4 * ROWS + 1)
    index.delete(range(ROWS, ROWS + 20))

    assert names(tmp_path, "rows-") == ["rows-000000", "rows-000002", "rows-000003", "rows-000004"]
    assert index.count() == 4 * ROWS - 19
    rest = [each for each in range(4 * ROWS) if not ROWS <= each < ROWS + 20]
    assert np.array_equal(opened(tmp_path).fetch(rest), vectors_of(rest, DIM))


def test_a_change_holds_when_the_space_cannot_be_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    index = filled(tmp_path, 4 * ROWS)
    monkeypatch.setattr(IndexFiles, "remove_unused", fail)
    index.delete(range(ROWS))

    assert opened(tmp_path).count() == 3 * ROWS
    assert "rows-000000" in names(tmp_path, "rows-")
    monkeypatch.undo()
    index.delete([ROWS])
    assert "rows-000000" not in names(tmp_path, "rows-")


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    index = filled(tmp_path, 4 * ROWS)
    for name in ("rows-000000.copy", "log-000000.copy"):
        (tmp_path / name).write_text("")
    index.delete(range(ROWS))

    assert (names(tmp_path, "rows-000000"), len(names(tmp_path, "log-"))) == (["rows-000000.copy"], 2)


def test_the_segment_that_is_being_filled_stays_when_nothing_in_it_is_live(tmp_path: Path) -> None:
    index = filled(tmp_path, ROWS + 5)
    index.delete(range(ROWS, ROWS + 5))

    assert names(tmp_path, "rows-") == ["rows-000000", "rows-000001"]


def test_a_reader_that_comes_too_late_for_a_file_takes_the_newer_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = filled(tmp_path, 4 * ROWS)
    reader, outdated = opened(tmp_path), writer._current().head
    for _ in range(20):
        writer.upsert(range(4 * ROWS), vectors_of(range(4 * ROWS), DIM))
    assert "log-000000" not in names(tmp_path, "log-")
    read, late = HeadFile.read, iter([outdated, outdated])
    monkeypatch.setattr(HeadFile, "read", lambda file: next(late, None) or read(file))

    assert reader.count() == 4 * ROWS
    assert next(late, None) is None


def test_a_reader_with_an_old_map_goes_on_and_then_follows(tmp_path: Path) -> None:
    writer, reader = filled(tmp_path, 4 * ROWS), opened(tmp_path)
    old = reader._current()
    for _ in range(10):
        writer.upsert(range(4 * ROWS), vectors_of(range(1000, 1000 + 4 * ROWS), DIM))
    assert "rows-000000" not in names(tmp_path, "rows-")

    assert np.array_equal(old.vectors_at(np.arange(4 * ROWS)), vectors_of(range(4 * ROWS), DIM))
    assert np.array_equal(reader.fetch([0, 1]), vectors_of([1000, 1001], DIM))
    assert reader.count() == 4 * ROWS


def test_the_codes_leave_few_vectors_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    true_scores = _ranking._true_scores

    def counting(chosen: list[Selection], query: Query) -> Floats:
        read.append(sum(len(each.rows) for each in chosen))
        return true_scores(chosen, query)

    monkeypatch.setattr(_ranking, "_true_scores", counting)
    rows = unit_vectors(5000, 256)
    index = FlatIndex(tmp_path, 256, segment_rows=1024)
    index.upsert(range(5000), rows)

    found = index.search(rows[17], 10)

    assert found.ids.tolist() == nearest(dict(enumerate(rows)), rows[17], 10)[0]
    assert sum(read) < 250


@pytest.mark.parametrize("n_same", [4, 6000])
def test_rows_that_the_codes_cannot_tell_apart_are_ranked_exactly(tmp_path: Path, n_same: int) -> None:
    near = vectors_of([0], DIM) + np.float32(1e-3) * unit_vectors(6000, DIM)
    near[:n_same] = near[0]
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    index = FlatIndex(tmp_path, DIM, segment_rows=4096)
    ids = np.random.default_rng(0).permutation(6000)
    index.upsert(ids, near)
    query = vectors_of([0], DIM)[0]

    found = index.search(query, 25)

    expected = nearest(dict(zip(ids.tolist(), near, strict=True)), query, 25)
    assert (found.ids.tolist(), found.scores.tolist()) == expected
