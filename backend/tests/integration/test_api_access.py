"""Who may ask: the token, the names of the host, the pages of other sites, and how much may be sent."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from komadori.api import server
from komadori.api.guard import MAX_BODY_BYTES, MAX_UPLOAD_BYTES, SUBPROTOCOL, TOKEN_SUBPROTOCOL
from komadori.core.errors import ConflictError, InputError
from komadori.settings import Settings
from tests.support.app import InlineSystem, inline_system, seed_video

EVENTS = "ws://127.0.0.1:8000/api/v1/events"
ADDRESSES = ["/api/v1/videos", "/api/v1/openapi.json", "/api/v1/nothing", "/readyz", "/metrics"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("open")) as system:
        seed_video(system.ctx)
        yield system


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("guarded"), token="a-token") as system:
        yield system


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic a-token", "a-token", "Bearer a-token2"]
)
def test_without_the_token_nothing_is_told(guarded: InlineSystem, address: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = guarded.client.get(address, headers=headers)
    assert code_of(response) == (401, "token-required")
    assert response.headers["www-authenticate"] == "Bearer"


def test_with_the_token_everything_is_open(guarded: InlineSystem) -> None:
    headers = {"Authorization": "Bearer a-token"}
    assert guarded.client.get("/api/v1/videos", headers=headers).status_code == 200
    assert (
        guarded.client.get("/api/v1/videos", headers={"Authorization": "bearer a-token"}).status_code == 200
    )


def test_whether_the_process_lives_needs_no_token(guarded: InlineSystem) -> None:
    assert guarded.client.get("/healthz").json() == {"status": "ok"}


def test_a_websocket_needs_the_token_too(guarded: InlineSystem) -> None:
    encoded = base64.urlsafe_b64encode(b"a-token").decode().rstrip("=")
    with pytest.raises(WebSocketDenialResponse) as refusal, guarded.client.websocket_connect(EVENTS):
        pass
    assert code_of(refusal.value) == (401, "token-required")
    headers = {"Authorization": "Bearer a-token"}
    with guarded.client.websocket_connect(EVENTS, headers=headers):
        pass
    offered = [SUBPROTOCOL, TOKEN_SUBPROTOCOL + encoded]
    with guarded.client.websocket_connect(EVENTS, subprotocols=offered) as websocket:
        assert websocket.accepted_subprotocol == SUBPROTOCOL


@pytest.mark.parametrize(
    "name", [TOKEN_SUBPROTOCOL + "wrong", TOKEN_SUBPROTOCOL, TOKEN_SUBPROTOCOL + "_w", "x"]
)
def test_a_wrong_token_among_the_subprotocols_is_refused(guarded: InlineSystem, name: str) -> None:
    with (
        pytest.raises(WebSocketDenialResponse),
        guarded.client.websocket_connect(EVENTS, subprotocols=[name]),
    ):
        pass


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]", "[", ""]
)
def test_another_name_for_this_machine_is_refused(system: InlineSystem, host: str) -> None:
    assert code_of(system.client.get("/api/v1/videos", headers={"Host": host})) == (403, "unknown-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"])
def test_the_loopback_names_are_known(system: InlineSystem, host: str) -> None:
    assert system.client.get("/api/v1/videos", headers={"Host": host}).status_code == 200


def test_further_names_can_be_allowed(tmp_path: Path) -> None:
    with inline_system(tmp_path, allowed_hosts="komadori.example, other.example") as system:
        assert system.client.get("/healthz", headers={"Host": "komadori.example"}).status_code == 200
        assert system.client.get("/healthz", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:3000", "null", "http://["])
def test_a_page_of_another_site_changes_nothing(system: InlineSystem, origin: str) -> None:
    response = system.client.post("/api/v1/jobs/1/cancel", headers={"Origin": origin})
    assert code_of(response) == (403, "foreign-request")
    with (
        pytest.raises(WebSocketDenialResponse),
        system.client.websocket_connect(EVENTS, headers={"Origin": origin}),
    ):
        pass


def test_the_own_page_may_change_things(system: InlineSystem) -> None:
    response = system.client.post("/api/v1/jobs/99/cancel", headers={"Origin": "http://127.0.0.1:8000"})
    assert response.status_code == 404
    with system.client.websocket_connect(EVENTS, headers={"Origin": "http://127.0.0.1:8000"}):
        pass


def test_a_form_cannot_pass_for_json(system: InlineSystem) -> None:
    response = system.client.post(
        "/api/v1/searches", content=b'{"text": "a"}', headers={"content-type": "text/plain"}
    )
    assert code_of(response) == (422, "invalid-request")


def test_a_body_that_says_it_is_too_large_is_not_read(system: InlineSystem) -> None:
    headers = {"content-type": "application/json", "content-length": str(MAX_BODY_BYTES + 1)}
    response = system.client.post("/api/v1/searches", content=b"{}", headers=headers)
    assert code_of(response) == (413, "request-too-large")


def test_a_body_that_does_not_say_so_is_cut_off(system: InlineSystem) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b" " * (MAX_BODY_BYTES // 8)

    response = system.client.post(
        "/api/v1/searches", content=pieces(), headers={"content-type": "application/json"}
    )
    assert code_of(response) == (413, "request-too-large")


def test_a_picture_may_have_20_mib_and_no_more(system: InlineSystem) -> None:
    for size, expected in ((MAX_UPLOAD_BYTES, 422), (MAX_UPLOAD_BYTES + 1, 413), (2 * MAX_UPLOAD_BYTES, 413)):
        response = system.client.post("/api/v1/searches/image", files={"file": ("a.png", b"x" * size)})
        assert response.status_code == expected, response.json()


def test_every_answer_has_the_headers_of_safety(system: InlineSystem) -> None:
    for response in (system.client.get("/healthz"), system.client.get("/", headers={"Host": "evil.example"})):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "komadori.example"])
def test_other_machines_are_let_in_only_with_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError) as refusal:
        server.check_binding(Settings(_env_file=None, home=tmp_path), host)
    assert refusal.value.code == "open-to-network"
    assert "KOMADORI_TOKEN" in refusal.value.hint
    server.check_binding(Settings(_env_file=None, home=tmp_path, token="a-token"), host)
    server.check_binding(Settings(_env_file=None, home=tmp_path, allow_open=True), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_token(tmp_path: Path, host: str) -> None:
    server.check_binding(Settings(_env_file=None, home=tmp_path), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_container_is_judged_by_where_its_port_is_published(tmp_path: Path, host: str) -> None:
    def published_on(address: str) -> Settings:
        return Settings(_env_file=None, home=tmp_path, published_on=address)

    server.check_binding(published_on("127.0.0.1"), host)
    server.check_binding(published_on("[::1]"), host)
    with pytest.raises(InputError, match=r"On 192\.168\.1\.5 other machines") as refusal:
        server.check_binding(published_on("192.168.1.5"), host)
    assert refusal.value.code == "open-to-network"


def test_a_published_address_does_not_excuse_a_real_one(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        server.check_binding(Settings(_env_file=None, home=tmp_path, published_on="127.0.0.1"), "192.168.1.5")


@pytest.mark.parametrize(
    ("published_on", "status_of"),
    [
        ("127.0.0.1", {"localhost:8000": 200, "api:8000": 200, "evil.example": 403}),
        ("192.168.1.5", {"localhost:8000": 200, "api:8000": 200, "evil.example": 200}),
    ],
)
def test_a_container_answers_to_loopback_names_where_it_is_published_on_loopback(
    tmp_path: Path, published_on: str, status_of: dict[str, int]
) -> None:
    settings = Settings(_env_file=None, home=tmp_path, published_on=published_on, allowed_hosts="api,")
    client = TestClient(server.app_on(settings, "0.0.0.0"))
    assert {
        host: client.get("/healthz", headers={"Host": host}).status_code for host in status_of
    } == status_of


def test_a_taken_port_is_named() -> None:
    with server.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=str(port)):
            server.bind("127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(ConflictError) as refusal:
        server.bind("192.0.2.1", 0)
    assert refusal.value.code == "address-taken"
