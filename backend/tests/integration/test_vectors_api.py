"""The index by way of the API: what it sends, what it does when that fails, and what the API refuses."""

import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from komadori.api.app import create_app
from komadori.api.routes import spaces
from komadori.core import vector_rows
from komadori.core.errors import DependencyError, InputError, KomadoriError, StorageError
from komadori.core.types import EmbeddingSpace
from komadori.db.repositories import embeddings
from komadori.vectors import api
from komadori.vectors._connection import Connection
from komadori.vectors.api import ApiIndex
from komadori.vectors.flat import FlatIndex
from tests.support.app import NEVER_S, InlineSystem, inline_system, live_server
from tests.support.vectors import nearest, unit_vectors, vectors_of
from tests.support.workers import CLOSED_URL

DIM = 16
SPACE = EmbeddingSpace("model", "1", "none", DIM)
TOKEN = "t0ken"
ROWS = unit_vectors(3, DIM)
IDS = np.array([1, 2, 3])


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path, token=TOKEN) as made:
        with made.ctx.sessions.write() as session:
            embeddings.register_space(session, SPACE, "model")
        yield made


@pytest.fixture
def url(system: InlineSystem) -> Iterator[str]:
    with live_server(system.app) as served:
        yield served


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that is not Komadori and gives these answers in turn: its URL, and what it was asked for."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = left.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_more_than_one_request_holds_is_sent_in_parts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_REQUEST_BYTES", 10 * vector_rows.row_bytes(DIM))
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    rows = unit_vectors(205, DIM)
    index.upsert(np.arange(205), rows)
    index.delete(np.arange(200, 205))
    left = dict(enumerate(rows[:200]))

    assert index.count() == 200
    assert np.array_equal(index.fetch(np.arange(200)), rows[:200])
    within = np.arange(199, 0, -1)
    found = index.search(rows[3], 25, np.concatenate([within, within]))
    assert (found.ids.tolist(), found.scores.tolist()) == nearest(left, rows[3], 25, within.tolist())


def test_a_refused_upsert_sends_nothing_of_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_REQUEST_BYTES", vector_rows.row_bytes(DIM))
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    with pytest.raises(InputError, match="twice"):
        index.upsert([1, 2, 1], ROWS)
    assert index.count() == 0


@pytest.mark.parametrize(("token", "words"), [("wrong", "KOMADORI_TOKEN"), (None, "KOMADORI_TOKEN")])
def test_a_wrong_token_is_named_with_its_remedy(url: str, token: str | None, words: str) -> None:
    with pytest.raises(DependencyError, match="does not accept this machine's token") as caught:
        api.create(url, SPACE.key, DIM, token=token)
    assert words in caught.value.hint
    assert (caught.value.code, caught.value.is_retryable) == ("token-required", False)


def test_a_space_that_the_api_does_not_know_means_another_database(url: str) -> None:
    other = EmbeddingSpace("another", "1", "none", DIM)
    with pytest.raises(DependencyError, match="another database") as caught:
        api.create(url, other.key, DIM, token=TOKEN)
    assert "KOMADORI_DATABASE_URL" in caught.value.hint


def test_an_api_that_is_not_there_is_worth_another_attempt() -> None:
    with pytest.raises(StorageError, match="Nothing answers") as caught:
        api.create(CLOSED_URL, SPACE.key, DIM)
    assert "KOMADORI_URL" in caught.value.hint
    assert caught.value.is_retryable


@pytest.mark.parametrize("url", ["", "10.8.0.1:8000", "ftp://a", "http://", "http://[::1", "http://a:b"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="KOMADORI_URL"):
        api.create(url, SPACE.key, DIM)


@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, b"[]"), (200, b'{"dim": null}'), (404, b""), (500, b"")]
)
def test_a_server_that_is_not_komadori_is_recognised(answer: tuple[int, bytes]) -> None:
    with answering(answer) as (url, _), pytest.raises(DependencyError, match="Expected Komadori's API"):
        api.create(url, SPACE.key, DIM)


def test_a_request_is_sent_again_while_a_proxy_waits_for_the_api() -> None:
    facts = (200, b'{"dim": 16, "n_vectors": 7}')
    with answering(facts, (502, b"bad gateway"), (503, b""), facts) as (url, asked):
        index = ApiIndex(Connection(url, None), SPACE.key, DIM)
        assert index.count() == 7
    assert len(asked) == 4


def test_after_its_patience_a_request_fails_for_another_attempt(url: str) -> None:
    with answering((200, b'{"dim": 16}'), (503, b""), (503, b"")) as (url, asked):
        index = ApiIndex(Connection(url, None), SPACE.key, DIM, patience_s=0.3)
        with pytest.raises(StorageError, match="HTTP status 503"):
            index.upsert(IDS, ROWS)
    assert len(asked) == 3


def test_a_failure_of_the_index_there_keeps_its_reason(system: InlineSystem, url: str) -> None:
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    index.upsert(IDS, ROWS)
    folder = system.settings.home / "vectors" / SPACE.key
    (folder / "lock").unlink()
    (folder / "lock").mkdir()
    with pytest.raises(StorageError, match="Could not use the vector index") as caught:
        index.upsert(IDS, ROWS)
    assert (caught.value.code, caught.value.is_retryable) == ("storage-failed", True)


def test_writers_by_way_of_the_api_and_on_the_disk_lose_nothing(system: InlineSystem, url: str) -> None:
    folder = system.settings.home / "vectors" / SPACE.key
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    command = [sys.executable, "-m", "tests.support.vector_writer", str(folder), str(DIM), "0", "10", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for start in range(1000, 1400, 10):
            index.upsert(np.arange(start, start + 10), vectors_of(range(start, start + 10), DIM))
        writer.stdout.read()
    everything = [*range(400), *range(1000, 1400)]

    assert writer.returncode == 0
    assert index.count() == 800
    assert np.array_equal(FlatIndex(folder, DIM).fetch(everything), vectors_of(everything, DIM))


def test_the_api_has_its_vectors_in_its_home_whatever_the_setting_says(system: InlineSystem) -> None:
    settings = system.settings.model_copy(update={"vectors": "api", "url": CLOSED_URL})
    app = create_app(settings, reap_every_s=NEVER_S)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=headers) as client:
        assert client.get(f"/api/v1/spaces/{SPACE.key}").json() == {
            "key": SPACE.key,
            "model_id": "model",
            "revision": "1",
            "preprocessing_hash": "none",
            "dim": DIM,
            "n_vectors": 0,
        }


def row(identity: int, vector: object) -> bytes:
    return struct.pack("<q", identity) + np.asarray(vector, "<f4").tobytes()


NAN = np.full(DIM, np.nan)


@pytest.mark.parametrize(
    ("noun", "body", "status", "code"),
    [
        ("vectors", row(1, ROWS[0])[:-1], 422, "vector-bytes"),
        ("vectors", row(1, ROWS[0][:-1]), 422, "vector-bytes"),
        ("vectors", b"", 422, "vector-bytes"),
        ("vectors", row(1, NAN), 422, "vector-not-unit"),
        ("vectors", row(1, 2 * ROWS[0]), 422, "vector-not-unit"),
        ("vectors", row(1, ROWS[0]) + row(1, ROWS[1]), 422, "duplicate-id"),
        ("vectors", bytes(8 * 2**20 + 1), 413, "request-too-large"),
        ("vectors/fetches", b"1234567", 422, "vector-bytes"),
        ("vectors/fetches", struct.pack("<q", 5), 404, "vector-not-found"),
        ("vectors/fetches", bytes(8 * (8 * 2**20 // (4 * DIM) + 1)), 413, "request-too-large"),
        ("vectors/deletions", b"123456789", 422, "vector-bytes"),
        ("vectors/searches", bytes(4 * DIM - 1), 422, "vector-bytes"),
        ("vectors/searches", bytes(4 * DIM), 422, "vector-not-unit"),
        ("vectors/searches", ROWS[0].tobytes() + bytes(8), 422, "vector-bytes"),
        ("vectors/searches?within=true", ROWS[0].tobytes() + bytes(7), 422, "vector-bytes"),
        ("vectors/searches?k=0", ROWS[0].tobytes(), 422, "invalid-request"),
        (f"vectors/searches?k={spaces.MAX_NEIGHBOURS + 1}", ROWS[0].tobytes(), 422, "invalid-request"),
    ],
)
def test_the_api_refuses_bytes_without_sense(
    system: InlineSystem, noun: str, body: bytes, status: int, code: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    response = system.client.post(f"/api/v1/spaces/{SPACE.key}/{noun}", content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["hint"]
    assert system.ctx.index_of(SPACE).count() == 0


def test_said_twice_is_said_once(url: str) -> None:
    body = row(4, ROWS[0]) + row(5, ROWS[1])
    address = f"{url}/api/v1/spaces/{SPACE.key}/vectors"
    for _ in range(2):
        answer = httpx.post(address, content=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.content) == (204, b"")
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    assert index.count() == 2
    assert np.array_equal(index.fetch([5, 4]), ROWS[[1, 0]])


def test_errors_of_an_index_are_of_the_tree(url: str) -> None:
    index = api.create(url, SPACE.key, DIM, token=TOKEN)
    with pytest.raises(KomadoriError, match="less than or equal to 100000"):
        index.search(ROWS[0], spaces.MAX_NEIGHBOURS + 1)
