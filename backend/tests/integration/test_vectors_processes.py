"""The flat index under several processes that write, read and are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from komadori.core.errors import StorageError
from komadori.vectors import _files, _segments
from komadori.vectors._head import HeadFile
from komadori.vectors.flat import FlatIndex
from tests.support import vector_writer
from tests.support.vectors import vectors_of

BACKEND = Path(__file__).parents[2]
DIM = 16
BATCH = 10
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_writer(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(first: int, n: int, dim: int = DIM) -> "subprocess.Popen[str]":
        arguments = [str(each) for each in (tmp_path, dim, first, BATCH, n)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.vector_writer", *arguments],
            cwd=BACKEND,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def opened(directory: Path) -> FlatIndex:
    return FlatIndex(directory, DIM, segment_rows=vector_writer.SEGMENT_ROWS)


def assert_whole(index: FlatIndex, ids: list[int]) -> None:
    assert np.array_equal(index.fetch(ids), vectors_of(ids, DIM))


def test_two_writers_and_a_reader_get_along(tmp_path: Path, start_writer: Start) -> None:
    reader = opened(tmp_path)
    writers = [start_writer(first, 40) for first in (0, 10_000)]
    counts = [0]
    while any(writer.poll() is None for writer in writers):
        counts.append(reader.count())
        hits = reader.search(vectors_of([0], DIM)[0], 5)
        assert_whole(reader, hits.ids.tolist())
    assert [writer.returncode for writer in writers] == [0, 0]

    assert counts == sorted(counts)
    assert all(count % BATCH == 0 for count in counts)
    assert reader.count() == 2 * 40 * BATCH
    assert_whole(reader, [*range(400), *range(10_000, 10_400)])


def test_a_killed_writer_loses_nothing_acknowledged_and_shows_nothing_partial(
    tmp_path: Path, start_writer: Start
) -> None:
    random, acknowledged = np.random.default_rng(0), set[int]()
    for turn in range(6):
        first = turn * 1000
        process = start_writer(first, 0)
        assert process.stdout is not None
        acknowledged.add(int(process.stdout.readline()))
        time.sleep(random.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        acknowledged.update(int(line) for line in process.communicate()[0].splitlines())

        index = opened(tmp_path)
        for start in acknowledged:
            assert_whole(index, list(range(start, start + BATCH)))
        assert index.count() % BATCH == 0
        index.upsert([-1 - turn], vectors_of([-1 - turn], DIM))
        index.delete([-1 - turn])


class PowerCutError(Exception):
    """Stands for the end of the process at some point."""


def cut(*_: object, **__: object) -> None:
    raise PowerCutError


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (_segments, "write_all"),
        (_segments, "sync_folder"),
        (_files.IndexFiles, "write_log"),
        (_files, "sync_folder"),
        (HeadFile, "publish"),
    ],
    ids=["empty segment", "segment without a name on the disk", "rows", "log", "log whole"],
)
@pytest.mark.parametrize("n_before", [0, 60])
def test_a_crash_before_publication_is_as_if_nothing_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, n_before: int
) -> None:
    index = opened(tmp_path)
    index.upsert(range(n_before), vectors_of(range(n_before), DIM))
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, cut)
        if not (n_before and (owner, step) == (_files, "sync_folder")):  # the log's name is there already
            with pytest.raises(PowerCutError):
                index.upsert(range(1000, 1010), vectors_of(range(2000, 2010), DIM))

            assert opened(tmp_path).count() == n_before

    after = opened(tmp_path)
    after.upsert(range(1000, 1010), vectors_of(range(1000, 1010), DIM))
    assert_whole(opened(tmp_path), [*range(n_before), *range(1000, 1010)])
    assert_whole(index, [*range(n_before), *range(1000, 1010)])


def write_in_two(index: FlatIndex, ids: list[int]) -> None:
    half = len(ids) // 2
    index.upsert(ids[:half], vectors_of(ids[:half], DIM))
    index.upsert(ids[half:], vectors_of(ids[half:], DIM))


@pytest.mark.parametrize("n_publications", [1, 2, 3])
def test_a_crash_between_the_steps_of_tidying_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_publications: int
) -> None:
    ids = list(range(3 * vector_writer.SEGMENT_ROWS))
    index = opened(tmp_path)
    for _ in range(4):
        index.upsert(ids, vectors_of(ids, DIM))
    publish, left = HeadFile.publish, iter(range(n_publications))

    def publish_until_cut(file: HeadFile, head: object) -> None:
        if next(left, None) is None:
            raise PowerCutError
        publish(file, head)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(HeadFile, "publish", publish_until_cut)
        patched.setattr(_files.IndexFiles, "remove_unused", cut)
        with pytest.raises(PowerCutError):
            write_in_two(index, ids[:140])

    again = opened(tmp_path)
    assert_whole(again, ids)
    again.upsert(ids, vectors_of(ids, DIM))
    assert_whole(opened(tmp_path), ids)
    assert again.count() == len(ids)


WRITE_UNDER_A_LIMIT = f"""
import resource, sys
from pathlib import Path
from komadori.core.errors import StorageError
from komadori.vectors.flat import FlatIndex
from tests.support.vectors import vectors_of

index = FlatIndex(Path(sys.argv[1]), {DIM})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    index.upsert(range(500, 510), vectors_of(range(10), {DIM}))
except StorageError as error:
    sys.stdout.write(f"{{error.code}} {{error.is_retryable}} {{type(error.__cause__).__name__}}")
"""


def test_a_disk_that_takes_no_more_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path).upsert(range(64), vectors_of(range(64), DIM))

    program = [sys.executable, "-c", WRITE_UNDER_A_LIMIT, str(tmp_path)]
    done = subprocess.run(program, cwd=BACKEND, capture_output=True, text=True, check=True)

    assert done.stdout == "disk-full True OSError"

    index = opened(tmp_path)
    assert index.count() == 64
    index.upsert([64], vectors_of([64], DIM))
    assert_whole(index, list(range(65)))


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="file/index"):
        FlatIndex(tmp_path / "file" / "index", DIM)
