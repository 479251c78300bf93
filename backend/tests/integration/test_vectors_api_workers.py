"""A SigLIP 2 worker elsewhere: its vectors reach the index through the API, even one that is killed."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import embeddings
from komadori.media.images import read_frame
from komadori.ml.embedders import fake
from tests.support import postgres
from tests.support.app import COLOURS, jpeg_of, picture
from tests.support.joined import SPACE, Joined, joined


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str | None:
    """PostgreSQL, as several machines need it, where a server is installed."""
    return request.getfixturevalue("postgres_url") if postgres.find_binaries() else None


@pytest.fixture
def system(tmp_path: Path, database_url: str | None) -> Iterator[Joined]:
    with joined(tmp_path, database_url) as made:
        yield made


def check_all_embedded(system: Joined, ids: list[int]) -> None:
    """Each frame has the vector of its picture, in the index and by the database, and there is no other."""
    pictures = [read_frame(jpeg_of(picture([list(COLOURS)[i % len(COLOURS)]]))) for i in range(len(ids))]
    expected = fake.create("fake").embed_images(pictures).vectors
    np.testing.assert_allclose(system.index().fetch(ids), expected, atol=1e-6)
    assert system.index().count() == len(ids)
    with system.here.ctx.sessions.read() as session:
        active = embeddings.active_space(session, "fake")
        assert active is not None
        assert embeddings.count_embedded(session, active[0]) == len(ids)


def test_frames_that_are_embedded_elsewhere_are_found(system: Joined) -> None:
    job, ids = system.seed(9)
    system.there.start(Queue.SIGLIP)
    ended = system.there.wait(job.id)

    assert (ended.state, ended.done) == (JobState.DONE, 9), ended.error
    check_all_embedded(system, ids)
    assert not (system.there.settings.home / "vectors").exists()
    assert system.api.get(f"/spaces/{SPACE.key}")["n_vectors"] == 9
    found = system.api.post("/searches", {"text": "red", "k": 3})
    assert {int(hit["frame_id"]) for hit in found["hits"]} == set(ids[0::3])


def test_an_api_that_is_killed_and_comes_back_loses_nothing_and_costs_no_attempt(system: Joined) -> None:
    job, ids = system.seed(120)
    system.there.start(Queue.SIGLIP)
    system.here.wait_until_amid(job.id)
    system.api.kill()
    time.sleep(1)
    assert not system.here.job(job.id).state.is_terminal
    system.api.start()
    ended = system.there.wait(job.id)

    assert (ended.state, ended.done) == (JobState.DONE, 120), ended.error
    assert set(system.here.attempts(job.id)) == {1}
    check_all_embedded(system, ids)


def test_a_local_worker_and_one_elsewhere_share_the_index(system: Joined) -> None:
    for machine in (system.here, system.there):
        machine.start(Queue.SIGLIP)
    wait_for_two_workers(system)
    job, ids = system.seed(120)
    owners: set[str] = set()
    while not system.here.job(job.id).state.is_terminal:
        owners |= system.owners()
        time.sleep(0.002)
    ended = system.here.wait(job.id)

    assert (ended.state, ended.done) == (JobState.DONE, 120), ended.error
    assert len(owners) == 2
    check_all_embedded(system, ids)


def wait_for_two_workers(system: Joined) -> None:
    deadline = time.monotonic() + 60
    while [worker.state for worker in system.here.workers(Queue.SIGLIP)] != [WorkerState.READY] * 2:
        assert time.monotonic() < deadline, system.here.workers(Queue.SIGLIP)
        time.sleep(0.05)


def test_a_worker_with_a_wrong_token_takes_no_work_and_says_what_to_do(
    tmp_path: Path, database_url: str | None
) -> None:
    with joined(tmp_path, database_url, token="wrong") as system:
        job, _ = system.seed(4)
        system.there.start(Queue.SIGLIP)
        waiting = system.there.wait_for_worker(Queue.SIGLIP, WorkerState.WAITING, "waiting for vector index:")

        assert "does not accept this machine's token. Set KOMADORI_TOKEN here" in waiting.detail
        assert (system.here.job(job.id).state, set(system.here.attempts(job.id))) == (JobState.QUEUED, {0})
