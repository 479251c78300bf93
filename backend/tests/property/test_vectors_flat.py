"""The flat index against a dictionary, under any sequence of changes, filters and readers."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from komadori.vectors import _kernels
from komadori.vectors.flat import FlatIndex
from tests.support.vectors import Floats, nearest, unit_vectors

IDS = st.integers(-3, 60)
SEEDS = st.integers(0, 2**16)
KERNELS = [_kernels.fastest(), _kernels.dot_numpy]


class AgainstDictionary(RuleBasedStateMachine):
    """One writer and one reader of an index of tiny segments, and what they should hold."""

    @initialize(dim=st.sampled_from([1, 3, 16, 20]), segment_rows=st.integers(4, 24))
    def start(self, dim: int, segment_rows: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.dim, self.expected = dim, dict[int, Floats]()
        self.writer = FlatIndex(Path(self.folder.name), dim, segment_rows=segment_rows)
        self.reader = FlatIndex(Path(self.folder.name), dim, kernel=_kernels.dot_numpy)

    @rule(ids=st.lists(IDS, unique=True, max_size=30), seed=SEEDS, is_same=st.booleans())
    def upsert(self, ids: list[int], seed: int, is_same: bool) -> None:
        rows = unit_vectors(len(ids), self.dim, seed)
        if is_same:
            rows[:] = rows[:1]
        self.writer.upsert(ids, rows)
        self.expected.update(zip(ids, rows, strict=True))

    @rule(ids=st.lists(IDS, max_size=40))
    def delete(self, ids: list[int]) -> None:
        self.reader.delete(ids)
        for each in ids:
            self.expected.pop(each, None)

    @rule(seed=SEEDS, k=st.integers(1, 70), within=st.none() | st.lists(IDS, max_size=60))
    def search(self, seed: int, k: int, within: list[int] | None) -> None:
        query = unit_vectors(1, self.dim, seed)[0]
        wanted = None if within is None else np.array(within, np.int64)
        for index in (self.writer, self.reader):
            found = index.search(query, k, wanted)
            assert (found.ids.tolist(), found.scores.tolist()) == nearest(self.expected, query, k, within)

    @rule()
    def open_anew(self) -> None:
        self.reader = FlatIndex(Path(self.folder.name), self.dim)

    @invariant()
    def holds_what_it_should(self) -> None:
        ids = sorted(self.expected)
        rows = np.array([self.expected[each] for each in ids], np.float32).reshape(-1, self.dim)
        assert self.reader.count() == self.writer.count() == len(ids)
        assert np.array_equal(self.reader.fetch(ids), rows)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


AgainstDictionary.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAgainstDictionary = AgainstDictionary.TestCase


@settings(max_examples=25, deadline=None)
@given(
    seed=SEEDS,
    k=st.integers(1, 200),
    spread=st.sampled_from([0.0, 1e-7, 1e-4, 0.01, 0.3, 3.0]),
    share=st.sampled_from([None, 0.02, 0.4]),
    kernel=st.sampled_from(KERNELS),
)
def test_near_duplicates_and_clusters_are_ranked_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    k: int,
    spread: float,
    share: float | None,
    kernel: _kernels.Kernel,
) -> None:
    random, dim = np.random.default_rng(seed), 32
    rows = unit_vectors(5, dim, seed)[random.integers(5, size=600)]
    rows = rows + np.float32(spread) * unit_vectors(600, dim, seed + 1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = FlatIndex(tmp_path_factory.mktemp("index"), dim, segment_rows=100, kernel=kernel)
    index.upsert(random.permutation(600), rows)
    expected = dict(zip(range(600), index.fetch(range(600)), strict=True))
    within = None if share is None else random.permutation(600)[: int(600 * share)]

    found = index.search(rows[0], k, within)

    assert (found.ids.tolist(), found.scores.tolist()) == nearest(
        expected, rows[0], k, None if within is None else within.tolist()
    )
