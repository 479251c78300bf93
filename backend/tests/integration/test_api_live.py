"""The API on a real socket: what the description promises holds for requests made from it."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import requests
import schemathesis
import schemathesis.checks as checks
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.transport.serialization import Binary
from websockets.sync.client import ClientConnection, connect

from komadori.api import server
from komadori.api.app import create_app
from komadori.api.guard import UPLOAD_PATH
from komadori.core import vector_rows
from komadori.ml.embedders import fake
from komadori.services.context import Context
from komadori.settings import Settings
from tests.support.app import NEVER_S, inline_context, jpeg_of, live_server, picture, seed_video
from tests.support.clips import clip
from tests.support.workers import Installation, installation, wait_until

PROMISES = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
STRICT = [*PROMISES, checks.negative_data_rejection]
"""Not for forms: an empty field of a form counts as one that was not given."""

PICTURE = jpeg_of(picture(["red"]))

IDS = ["1", "2", "3", "9", "999"]
"""Some that exist, and one that does not."""

SPACE = fake.create("fake").space
SPACE_KEYS = [SPACE.key, SPACE.key.replace("fake", "other")]
VECTOR = vector_rows.encode_vectors(np.eye(1, SPACE.dim, dtype=np.float32))
BYTES = {
    "/vectors": vector_rows.encode_ids(np.array([5])) + VECTOR,
    "/fetches": vector_rows.encode_ids(np.array([1, 2])),
    "/deletions": vector_rows.encode_ids(np.array([7])),
    "/searches": VECTOR,
}
"""Bodies that make sense, by how the address of an operation on vectors ends."""


def described() -> dict[str, Any]:
    """The description, whose requests have ids among which there are some that exist."""
    description = create_app(Settings(_env_file=None, home=Path("/nowhere"))).openapi()
    for operation in (operation for path in description["paths"].values() for operation in path.values()):
        operation["parameters"] = [_narrow(parameter) for parameter in operation.get("parameters", [])]
    schemas = description["components"]["schemas"]
    for name, body in schemas.items():
        if body.get("additionalProperties") is False or name.startswith("Body_"):
            schemas[name] = _narrow(body)
    return description


def _narrow(part: Any) -> Any:
    if isinstance(part, list):
        return [_narrow(item) for item in part]
    if not isinstance(part, dict):
        return part
    pattern = str(part.get("pattern", ""))
    if part.get("type") == "string" and pattern.startswith("^[1-9]"):
        return {"type": "string", "enum": IDS}
    if pattern.endswith("[0-9a-f]{24}$"):
        return {"type": "string", "enum": SPACE_KEYS}
    return {key: _narrow(value) for key, value in part.items()}


schema = schemathesis.openapi.from_dict(
    described(),
    config=SchemathesisConfig.from_dict(
        {"generation": {"deterministic": True, "max-examples": 10, "database": "none"}}
    ),
).exclude(path_regex="/uploads")  # tus has headers that depend on each other: see test_api_uploads


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """An API with three videos, and what it stores."""
    options, ctx, queue = inline_context(tmp_path_factory.mktemp("home"), query_timeout_s=2.0)
    with live_server(create_app(options, ctx, reap_every_s=NEVER_S)) as url:
        for name in ("a.mp4", "b.mp4", "c.mp4"):
            seed_video(ctx, name=name, n_frames=4)
        httpx.post(f"{url}/api/v1/annotation-runs", json={"prompts": ["red", "green"]}).raise_for_status()
        queue.run_chunk = _leave_queued
        yield url, ctx
    ctx.sessions.close()


@pytest.fixture(scope="module")
def url(served: tuple[str, Context]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def spare_video(served: tuple[str, Context]) -> Callable[[], str]:
    """Makes a video that may be deleted: the others are still needed."""
    numbers = itertools.count()
    return lambda: str(seed_video(served[1], name=f"spare {next(numbers)}.mp4", n_frames=1)[0])


@pytest.fixture(scope="module")
def connection() -> Iterator[requests.Session]:
    """One connection for all requests."""
    with requests.Session() as connection:
        yield connection


FILES_NEEDED = ("/media", "/times", "/archive")
"""How operations end that need a file of which there is none here."""


@pytest.fixture
def answered(request: pytest.FixtureRequest) -> Iterator[set[int]]:
    """Collects the statuses of an operation; some request must have been answered well."""
    statuses: set[int] = set()
    yield statuses
    if not request.node.nodeid.rstrip("]").endswith(FILES_NEEDED):
        assert any(status < 300 for status in statuses), statuses


@schema.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_operation_keeps_its_promises(
    case: schemathesis.Case[Any],
    url: str,
    spare_video: Callable[[], str],
    connection: requests.Session,
    answered: set[int],
    tmp_path: Path,
) -> None:
    body: Any = case.body
    if isinstance(body, dict) and body.get("path") == "/data/recording.mp4":
        body["path"] = str(clip("h264.mp4"))
    if isinstance(body, dict) and str(body.get("directory", "")).startswith("/"):
        body["directory"] = str(tmp_path / "dataset")
    if case.path == UPLOAD_PATH and isinstance(body, dict) and "file" in body:
        body["file"] = PICTURE
    if case.method == "DELETE" and case.path_parameters.get("annotation_id") in IDS[:-1]:
        case.path_parameters["annotation_id"] = _drawn(url)
    if case.method == "DELETE" and case.path_parameters.get("video_id") in IDS[:-1]:
        case.path_parameters["video_id"] = spare_video()
    if case.path.endswith(("/pause", "/resume")) and case.path_parameters.get("job_id") in IDS[:-1]:
        case.path_parameters["job_id"] = _queued(url)
    if isinstance(body, Binary) and sum(body.data) % 2 == 0:  # the others stay without sense
        case.body = Binary(BYTES[case.path[case.path.rindex("/") :]])
    promises = PROMISES if case.path == UPLOAD_PATH else STRICT
    response = case.call_and_validate(base_url=url, session=connection, checks=promises)
    answered.add(response.status_code)


def test_a_client_that_does_not_read_holds_up_nobody_and_hears_the_end_later(url: str) -> None:
    address = f"{url.replace('http', 'ws', 1)}/api/v1/events"
    with connect(address, max_queue=1) as deaf, connect(address) as first, connect(address) as second:
        for client in (first, second):
            job = httpx.post(f"{url}/api/v1/embeddings", json={}).raise_for_status().json()
            _hear_of(client, job["id"])
        _hear_of(deaf, job["id"])


def test_requests_that_wait_for_a_worker_hold_up_nobody(tmp_path: Path) -> None:
    options, ctx, queue = inline_context(tmp_path, query_timeout_s=4.0)
    queue.run_query = lambda _query_id: None
    with (
        live_server(create_app(options, ctx, reap_every_s=NEVER_S)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(60) as pool,
    ):

        def search(number: int) -> int:
            return client.post("/api/v1/searches", json={"text": f"car {number}"}).status_code

        searches = [pool.submit(search, number) for number in range(20)]
        answers = [pool.submit(lambda: client.get("/api/v1/system").status_code) for _ in range(20)]
        assert [answer.result() for answer in answers] == [200] * 20
        assert not any(search.done() for search in searches)
        assert {search.result() for search in searches} == {503}


def test_a_served_api_tells_when_its_broker_is_gone_and_stops_when_told(tmp_path: Path) -> None:
    with installation(tmp_path) as system, _served(system) as (process, url):
        wait_until(lambda: _status(f"{url}/readyz") == 200, 60, "API that is ready")
        system.kill_broker()
        answer = httpx.get(f"{url}/readyz", timeout=60).json()
        assert (answer["status"], answer["lacks"][0]["code"]) == ("degraded", "broker-unreachable")
        assert _status(f"{url}/healthz") == 200
        assert _status(f"{url}/api/v1/videos") == 200
        with connect(f"{url.replace('http', 'ws', 1)}/api/v1/events"):
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)


def test_an_api_open_to_the_network_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SERVE, "0.0.0.0", "0"],
        env={**os.environ, "KOMADORI_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "KOMADORI_TOKEN" in done.stderr
    assert not (tmp_path / "komadori.db").exists()


def test_the_body_of_a_small_answer_does_not_wait_for_its_headers_to_be_acknowledged() -> None:
    with (
        server.bind("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


_SERVE = (
    "import sys; from komadori.api.server import serve; from komadori.settings import Settings;"
    "serve(Settings(_env_file=None), sys.argv[1], int(sys.argv[2]))"
)


@contextmanager
def _served(system: Installation) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The API in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, "127.0.0.1", str(port)],
        env={**os.environ, **system.settings.environment()},
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=20).status_code
    except httpx.TransportError:
        return None


def _leave_queued(_chunk_id: int) -> None:
    """What the jobs do is tested elsewhere."""


def _queued(url: str) -> str:
    """A new job that waits, as one that is paused must not have ended."""
    job = httpx.post(f"{url}/api/v1/verifications", json={"video_id": "1"}).raise_for_status().json()
    return str(job["id"])


def _drawn(url: str) -> str:
    """The id of a new annotation, so that those which other operations ask for are not deleted."""
    body = {"frame_id": "1", "class_name": "car", "bbox_xyxy": [0, 0, 9, 9]}
    return str(httpx.post(f"{url}/api/v1/annotations", json=body).raise_for_status().json()["id"])


def _hear_of(client: ClientConnection, job_id: str) -> None:
    while json.loads(client.recv(timeout=20))["job"]["id"] != job_id:
        pass
