"""What no careful client sends: the API answers with a problem, and goes on."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from komadori.api import connection, guard
from komadori.api.app import create_app
from komadori.settings import Settings
from tests.support.app import NEVER_S, InlineSystem, inline_context, inline_system, live_server, seed_video
from tests.support.fuzz import WRONG, spoiled
from tests.support.workers import wait_until

FUZZED = settings(
    max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


def _described() -> dict[str, Any]:
    return create_app(Settings(_env_file=None, home=Path("/nowhere"))).openapi()


def _bodies() -> list[tuple[str, str, dict[str, Any]]]:
    """Each operation that takes JSON, with a body that makes sense."""
    description = _described()
    found = []
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                name = content["schema"]["$ref"].rpartition("/")[2]
                found.append((method, path, description["components"]["schemas"][name]["examples"][0]))
    return found


def _paths() -> list[str]:
    return [path for path, methods in _described()["paths"].items() if "get" in methods]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fuzzed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InlineSystem]:
    """One system on each database for all that is sent to it."""
    url = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = server.url(server.new_database())
    with inline_system(tmp_path_factory.mktemp("home"), query_timeout_s=2.0, database_url=url) as system:
        seed_video(system.ctx, n_frames=2)
        system.queue.run_chunk = lambda _chunk_id: None
        yield system


def check(response: Any) -> None:
    """Whatever was sent, it is answered, or refused in the usual form."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", response.text
        problem = response.json()
        assert problem["code"] != "internal-error"
        assert "Traceback" not in response.text
        assert len(response.content) < 10_000


def test_spoiled_bodies(fuzzed: InlineSystem) -> None:
    for method, path, body in _bodies():
        _fuzz(fuzzed, method, path.replace("{annotation_id}", "1").replace("{job_id}", "1"), body)
    assert fuzzed.client.get("/api/v1/videos").json()["total"] == 1


def _fuzz(system: InlineSystem, method: str, url: str, body: dict[str, Any]) -> None:
    @FUZZED
    @given(spoiled(body))
    def send(content: bytes) -> None:
        headers = {"content-type": "application/json"}
        check(system.client.request(method, url, content=content, headers=headers))

    send()


@pytest.mark.parametrize(
    "value",
    ["%00", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "9" * 3000, "%0d%0aX:%20y", "ü", "*", "' OR 1=1"],
)
def test_spoiled_addresses(fuzzed: InlineSystem, value: str) -> None:
    for path in _paths():
        check(fuzzed.client.get(re.sub(r"{[^}]+}", value, path)))
        if "{" not in path:
            for parameter in ("cursor", "limit", "project", "status", "video_id", "state"):
                check(fuzzed.client.get(f"{path}?{parameter}={value}"))


@pytest.mark.parametrize(
    "path", ["/api/v1/videos", "/api/v1/jobs", "/api/v1/annotations", "/api/v1/videos/1/frames"]
)
def test_tampered_cursors(fuzzed: InlineSystem, path: str) -> None:
    for cursor in ("f" * 15, "f" * 16, "-1", "0", "g", "1e9", " ", "0x1", "%00", "1%00", "١"):
        check(fuzzed.client.get(f"/api/v1{path}?cursor={cursor}&limit=1"))


HEADERS = (
    "Range",
    "If-None-Match",
    "If-Range",
    "Accept",
    "Content-Type",
    "Cookie",
    "Authorization",
    "Origin",
)
VALUES = (
    *("", "bytes=", "bytes=0-", "bytes=9-1", "bytes=-0", "bytes=" + "0-1," * 500, "bytes=" + "9" * 30 + "-"),
    *(
        "x" * 5000,
        '"',
        'W/"',
        "a/b; q=nan",
        "Bearer",
        "Bearer \xff",
        "null",
        "http://[",
        "http://127.0.0.1:x",
    ),
    *("multipart/form-data", "multipart/form-data; boundary=", "application/json; a=" + "b" * 999),
)


@FUZZED
@given(st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES)))
def test_odd_headers(live: httpx.Client, headers: dict[str, str]) -> None:
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    for method, path in (("GET", "/frames/1/image"), ("POST", "/searches"), ("POST", "/searches/image")):
        response = live.request(method, f"/api/v1{path}", headers=sent, content=b"{}")
        assert response.status_code < 500, response.text


@pytest.fixture(scope="module")
def live_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options, ctx, queue = inline_context(tmp_path_factory.mktemp("home"), query_timeout_s=2.0)
    seed_video(ctx, n_frames=2)
    queue.run_chunk = lambda _chunk_id: None
    with live_server(create_app(options, ctx, reap_every_s=NEVER_S)) as url:
        yield url
    ctx.sessions.close()


FIELD = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"


@pytest.fixture(scope="module")
def live(live_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/plain", b'{"text": "car"}'),
        ("application/xml", b"<a/>"),
        ("application/json; charset=utf-16", '{"text": "car"}'.encode("utf-16")),
        ("application/json; charset=nonsense", b'{"text": "\xff"}'),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=" + "x" * 3000, b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 9_000 + b"\r\n--x--"),
        ("multipart/form-data; boundary=x", FIELD * 5_000),
        ("application/x-www-form-urlencoded", b"k=1&" * 50_000),
        ("application/x-www-form-urlencoded", b"file=%00%ff&k=nan"),
        ("", b"\x00" * 1000),
    ],
)  # fmt: skip
def test_bodies_of_other_kinds(live: httpx.Client, content_type: str, content: bytes) -> None:
    for path in ("/searches", "/searches/image"):
        check(live.post(f"/api/v1{path}", content=content, headers={"content-type": content_type}))


REQUEST = b"POST /api/v1/searches HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def talk(url: str, data: bytes) -> bytes:
    """What the server says to these bytes, or nothing if it hangs up on them."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as wire:
        try:
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
            return everything(wire)
        except OSError:  # it had heard enough
            return b""


def everything(wire: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    said = b""
    while part := wire.recv(65536):
        said += part
    return said


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 300,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/x" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 50_000,
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"b" * 500_000,
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: other\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        REQUEST + b"Content-Length: -1\r\n\r\n",
        REQUEST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        REQUEST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        REQUEST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        REQUEST + b"Transfer-Encoding: gzip\r\n\r\n",
        REQUEST + b"Content-Length: 100\r\n\r\n{",
        REQUEST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request(live_url: str, live: httpx.Client, data: bytes) -> None:
    said = talk(live_url, data)
    assert not said.startswith(b"HTTP/1.1 5"), said
    assert live.get("/healthz").status_code == 200


def test_a_body_without_end_takes_no_memory_and_is_refused(live_url: str) -> None:
    before = psutil.Process().memory_info().rss
    block = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    said = talk(live_url, REQUEST + b"Transfer-Encoding: chunked\r\n\r\n" + block * 200)
    assert b" 413 " in said or not said
    assert psutil.Process().memory_info().rss - before < 600 * 2**20


def test_a_head_that_never_ends_is_given_up(live_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_WITHIN_S", 0.3)
    address = httpx.URL(live_url)
    for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
        with socket.create_connection((address.host, address.port or 80), timeout=30) as wire:
            wire.sendall(start)
            assert gave_up(wire)


def test_a_body_that_hardly_comes_is_given_up(live_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_GRACE_S", 0.3)
    address = httpx.URL(live_url)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as wire:
        wire.sendall(REQUEST + b'Content-Length: 5000\r\n\r\n{"text"')
        said = everything(wire)
    assert b" 408 " in said
    assert b"request-too-slow" in said


def test_a_body_that_goes_on_after_its_answer_is_given_up(
    live_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_WITHIN_S", 0.3)
    address = httpx.URL(live_url)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as wire:
        wire.sendall(REQUEST + b"Content-Length: 99999999999\r\n\r\nx")
        assert b" 413 " in wire.recv(65536)
        wait_until(lambda: not is_heard(wire), 60, "the end of the connection")


def is_heard(wire: socket.socket) -> bool:
    """Whether the server takes one more byte."""
    try:
        wire.sendall(b"x")
    except OSError:
        return False
    return True


def gave_up(wire: socket.socket) -> bool:
    """Whether the server closes the connection, which is waited for."""
    try:
        return wire.recv(1) == b""
    except ConnectionResetError:
        return True


def wait_for_the_end(client: ClientConnection) -> None:
    """Hear until the server closes, which raises."""
    while True:
        client.recv(timeout=30)


def test_garbage_on_the_websocket_ends_that_one_only(live_url: str) -> None:
    address = f"{live_url.replace('http', 'ws', 1)}/api/v1/events"
    with connect(address) as listening:
        for garbage in ("x" * 60_000, b"\x00\xff" * 20_000, json.dumps({"subscribe": "*"}), "{", ""):
            with connect(address, close_timeout=0.1) as client:
                client.send(garbage)
        with connect(address, close_timeout=0.1) as client:
            client.send("x" * 200_000)
            with pytest.raises(ConnectionClosed, match="1009"):  # message too big
                wait_for_the_end(client)
        for frame in (b"\xff" * 50, b"\x81\x05hello", b"\x88\xfe\xff\xff", bytes(200)):
            with connect(address, close_timeout=0.1) as client:
                client.socket.sendall(frame)
        job = httpx.post(f"{live_url}/api/v1/embeddings", json={}).raise_for_status().json()
        until_s = time.monotonic() + 60
        while json.loads(listening.recv(timeout=30))["job"]["id"] != job["id"]:
            assert time.monotonic() < until_s


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/", "/api/v1/videos", "/api/v1/events%00"])
def test_a_websocket_to_nowhere_is_refused(live_url: str, path: str) -> None:
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        connect(f"{live_url.replace('http', 'ws', 1)}{path}")


def test_each_wrong_value_is_sent() -> None:
    """The fuzzer draws; this makes sure that the list of wrong values is what it draws from."""
    assert len(set(WRONG)) == len(WRONG)
