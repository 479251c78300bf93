"""What every registered vector index does; the one by way of the API does it over real HTTP."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from komadori.core import registry
from komadori.core.errors import ConflictError, InputError, NotFoundError
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import embeddings
from komadori.vectors.base import VectorIndex
from tests.support.app import InlineSystem, inline_system, live_server
from tests.support.vectors import Floats, nearest, unit_vectors, vectors_of

DIM = 16
AXES = np.eye(DIM, dtype=np.float32)


Opener = Callable[[int], VectorIndex]
"""Opens the index of a test, once more each time, for vectors of that dimension."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    """An installation whose API the index ``api`` talks to."""
    with inline_system(tmp_path_factory.mktemp("home"), token="secret") as made:
        yield made


@pytest.fixture(scope="module")
def url(system: InlineSystem) -> Iterator[str]:
    with live_server(system.app) as served:
        yield served


@pytest.fixture(params=registry.names("indexes"))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    create = registry.factory("indexes", request.param)
    if request.param != "api":
        return partial(create, tmp_path / "index")
    space = EmbeddingSpace("model", request.node.name, "none", DIM)
    system = request.getfixturevalue("system")
    with system.ctx.sessions.write() as session:
        embeddings.register_space(session, space, "model")
    return partial(create, request.getfixturevalue("url"), space.key, token="secret")


@pytest.fixture
def index(opened: Opener) -> VectorIndex:
    return opened(DIM)


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    found = index.search(AXES[0], 10)

    assert (found.ids.tolist(), found.scores.tolist()) == ([], [])
    assert (found.ids.dtype.name, found.scores.dtype.name) == ("int64", "float32")
    assert (index.count(), index.dim) == (0, DIM)


def test_the_nearest_come_best_first_with_their_inner_products(index: VectorIndex) -> None:
    query = np.array([0.8, 0.6] + [0] * (DIM - 2), np.float32)
    index.upsert([7, 8, 9], AXES[:3])

    found = index.search(query, 2)

    assert found.ids.tolist() == [7, 8]
    assert found.scores.tolist() == [np.float32(0.8), np.float32(0.6)]


def test_fewer_come_back_when_there_are_fewer(index: VectorIndex) -> None:
    index.upsert([5], AXES[:1])

    assert index.search(AXES[0], 100).ids.tolist() == [5]


def test_equal_scores_are_ordered_by_id(index: VectorIndex) -> None:
    ids = [30, 4, 11, 2**40, 0, -5]
    index.upsert(ids, np.repeat(AXES[:1], 6, axis=0))

    assert index.search(AXES[0], 4).ids.tolist() == [-5, 0, 4, 11]


def test_results_equal_those_of_looking_at_each_vector(index: VectorIndex) -> None:
    rows = unit_vectors(1500, DIM)
    index.upsert(np.arange(1500), rows)
    for query in unit_vectors(5, DIM, seed=1):
        found = index.search(query, 20)
        expected = nearest(dict(enumerate(rows)), query, 20)

        assert (found.ids.tolist(), found.scores.tolist()) == expected


def test_the_last_vector_of_an_id_counts(index: VectorIndex) -> None:
    index.upsert([1, 2], AXES[:2])
    index.upsert([2], AXES[5:6])

    assert index.count() == 2
    assert index.search(AXES[5], 1).ids.tolist() == [2]
    assert index.search(AXES[1], 2).scores.tolist() == [0, 0]


def test_a_deleted_id_is_forgotten_and_an_unknown_one_ignored(index: VectorIndex) -> None:
    index.upsert([1, 2, 3], AXES[:3])
    index.delete([2, 99])
    index.delete([])

    assert index.count() == 2
    assert index.search(AXES[1], 10).ids.tolist() == [1, 3]


def test_a_deleted_id_can_come_back(index: VectorIndex) -> None:
    index.upsert([1], AXES[:1])
    index.delete([1])
    index.upsert([1], AXES[1:2])

    assert index.search(AXES[1], 10).scores.tolist() == [1]


@pytest.mark.parametrize(
    ("within", "expected"),
    [([3, 1], [1, 3]), ([], []), ([77], []), ([3, 3, 77], [3])],
    ids=["some", "none", "unknown", "twice"],
)
def test_only_the_ids_within_are_looked_at(
    index: VectorIndex, within: list[int], expected: list[int]
) -> None:
    index.upsert([1, 2, 3], AXES[[0, 0, 0]])

    assert index.search(AXES[0], 10, np.array(within, np.int64)).ids.tolist() == expected


@pytest.mark.parametrize("share", [0.01, 0.3, 0.95])
def test_a_filter_of_any_size_is_exact(index: VectorIndex, share: float) -> None:
    rows, random = unit_vectors(2000, DIM), np.random.default_rng(2)
    index.upsert(np.arange(2000), rows)
    within = random.permutation(2000)[: int(2000 * share)]
    query = unit_vectors(1, DIM, seed=3)[0]

    found = index.search(query, 30, within)

    assert (found.ids.tolist(), found.scores.tolist()) == nearest(
        dict(enumerate(rows)), query, 30, within.tolist()
    )


def test_fetched_vectors_are_those_that_came_in_the_order_asked_for(index: VectorIndex) -> None:
    rows = unit_vectors(3, DIM)
    index.upsert([10, 20, 30], rows)

    assert np.array_equal(index.fetch([30, 10, 30]), rows[[2, 0, 2]])
    assert index.fetch([]).shape == (0, DIM)


def test_an_id_without_a_vector_cannot_be_fetched(index: VectorIndex) -> None:
    index.upsert([1], AXES[:1])

    with pytest.raises(NotFoundError, match="41"):
        index.fetch([1, 41])


def broken(position: int, value: float) -> Floats:
    rows = unit_vectors(3, DIM)
    rows[position, 0] = value
    return rows


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        pytest.param([1, 2, 3], broken(1, np.nan), id="nan"),
        pytest.param([1, 2, 3], broken(2, np.inf), id="infinite"),
        pytest.param([1, 2, 3], broken(2, 1e30), id="huge"),
        pytest.param([1, 2, 3], unit_vectors(3, DIM).astype(np.float64) * 1e300, id="huge in float64"),
        pytest.param([1, 2, 3], unit_vectors(3, DIM) * np.float32(1.01), id="too long"),
        pytest.param([1, 2, 3], np.zeros((3, DIM), np.float32), id="zero"),
        pytest.param([1, 2, 3], unit_vectors(3, DIM + 1), id="another dimension"),
        pytest.param([1, 2], unit_vectors(3, DIM), id="too few ids"),
        pytest.param([1, 2, 1], unit_vectors(3, DIM), id="an id twice"),
        pytest.param([1.0, 2.5, 3.0], unit_vectors(3, DIM), id="ids with fractions"),
        pytest.param([1, 2, 2**63], unit_vectors(3, DIM), id="an id too large"),
        pytest.param([[1], [2], [3]], unit_vectors(3, DIM), id="nested ids"),
    ],
)
def test_what_cannot_be_indexed_is_refused_and_changes_nothing(
    index: VectorIndex, ids: list[int], rows: Floats
) -> None:
    index.upsert([1], AXES[:1])

    with pytest.raises(InputError) as caught:
        index.upsert(ids, rows)

    assert caught.value.hint
    assert index.count() == 1
    assert np.array_equal(index.fetch([1]), AXES[:1])


@pytest.mark.parametrize(
    ("query", "k"),
    [
        (np.full(DIM, np.nan, np.float32), 5),
        (AXES[0] * 2, 5),
        (np.ones(1, np.float32), 5),
        (AXES[:1], 5),
        (AXES[0], 0),
        (AXES[0], -1),
    ],
    ids=["nan", "length", "dimension", "matrix", "k of zero", "negative k"],
)
def test_a_query_that_makes_no_sense_is_refused(index: VectorIndex, query: Floats, k: int) -> None:
    with pytest.raises(InputError):
        index.search(query, k)


def test_another_reader_sees_what_was_written_after_it_looked(opened: Opener) -> None:
    writer, reader = opened(DIM), opened(DIM)
    assert reader.count() == 0

    writer.upsert([1, 2], AXES[:2])
    assert reader.search(AXES[1], 1).ids.tolist() == [2]
    reader.delete([2])
    assert writer.search(AXES[1], 5).ids.tolist() == [1]


def test_everything_is_there_when_opened_again(opened: Opener) -> None:
    opened(DIM).upsert(np.arange(300), vectors_of(range(300), DIM))

    again = opened(DIM)

    assert again.count() == 300
    assert np.array_equal(again.fetch(range(300)), vectors_of(range(300), DIM))


def test_an_index_is_not_opened_with_another_dimension(opened: Opener) -> None:
    opened(DIM).upsert([1], AXES[:1])

    with pytest.raises(ConflictError, match="16"):
        opened(8)


def test_threads_may_search_while_others_write(index: VectorIndex) -> None:
    wrong: list[str] = []
    is_over = threading.Event()
    index.upsert([-1], AXES[:1])

    def search() -> None:
        while not is_over.is_set():
            found = index.search(AXES[0], 3)
            if found.ids[0] != -1 or found.scores[0] != 1:
                wrong.append(str(found))

    def write(first: int) -> None:
        for start in range(first, first + 200, 20):
            index.upsert(np.arange(start, start + 20), vectors_of(range(start, start + 20), DIM))

    readers = [threading.Thread(target=search) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1000)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    is_over.set()
    for thread in readers:
        thread.join()

    assert wrong == []
    assert index.count() == 401
