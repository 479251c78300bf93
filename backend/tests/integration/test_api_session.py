"""How a browser comes in: the token once, then a cookie, and never for a page of another site."""

import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from starlette.testclient import WebSocketDenialResponse

from komadori.api import session_cookie
from tests.support.app import InlineSystem, inline_system

TOKEN = "a-token"
SESSION = "/api/v1/session"
VIDEOS = "/api/v1/videos"
CANCEL = "/api/v1/jobs/1/cancel"
EVENTS = "ws://127.0.0.1:8000/api/v1/events"
OWN = {"Origin": "http://127.0.0.1:8000"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("guarded"), token=TOKEN) as system:
        yield system


@pytest.fixture
def browser(guarded: InlineSystem) -> Iterator[InlineSystem]:
    """The same system, whose client is a browser that gave the token."""
    assert guarded.client.post(SESSION, json={"token": TOKEN}, headers=OWN).status_code == 204
    yield guarded
    guarded.client.cookies.clear()


def test_who_has_not_given_the_token_is_told_that_it_is_needed(guarded: InlineSystem) -> None:
    told = guarded.client.get(SESSION).json()
    assert (told["needs_token"], told["is_open"], told["is_local"]) == (True, False, True)
    assert guarded.client.get(VIDEOS).status_code == 401


def test_the_cookie_counts_as_the_token(browser: InlineSystem) -> None:
    assert browser.client.get(SESSION).json()["is_open"]
    assert browser.client.get(VIDEOS).status_code == 200
    assert browser.client.post(CANCEL, headers=OWN).status_code == 404, "there is no such job"
    with browser.client.websocket_connect(EVENTS, headers=OWN):
        pass


def test_a_program_with_the_token_is_in_already(guarded: InlineSystem) -> None:
    told = guarded.client.get(SESSION, headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert told["is_open"]


def test_a_wrong_token_gets_no_cookie(guarded: InlineSystem) -> None:
    for wrong in ("A-token", "a-token2", "é", "x" * 1000):
        response = guarded.client.post(SESSION, json={"token": wrong})
        assert (response.status_code, response.json()["code"]) == (401, "wrong-token")
        assert "set-cookie" not in response.headers


def test_a_token_that_is_no_unicode_is_no_token(guarded: InlineSystem) -> None:
    response = guarded.client.post(
        SESSION, content=rb'{"token":"\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422


def cookie_set_by(guarded: InlineSystem, **headers: str) -> dict[str, str]:
    response = guarded.client.post(SESSION, json={"token": TOKEN}, headers=headers)
    guarded.client.cookies.clear()
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert morsel.key == "komadori_session"
    return {name: str(value) for name, value in morsel.items() if value}


def test_the_cookie_is_for_this_site_and_for_no_script(guarded: InlineSystem) -> None:
    attributes = cookie_set_by(guarded)
    assert attributes.pop("max-age") == str(30 * 24 * 3600)
    assert attributes == {"httponly": "True", "samesite": "strict", "path": "/"}


def test_over_https_the_cookie_goes_over_nothing_else(guarded: InlineSystem) -> None:
    """A proxy that ends HTTPS asks over plain HTTP; the origin is the one that the browser sees."""
    attributes = cookie_set_by(guarded, Host="localhost:8000", Origin="https://localhost:8000")
    assert attributes["secure"] == "True"


def test_who_leaves_is_out(browser: InlineSystem) -> None:
    assert browser.client.delete(SESSION, headers=OWN).status_code == 204
    assert not browser.client.get(SESSION).json()["is_open"]
    assert browser.client.get(VIDEOS).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_with_the_cookie_only_the_own_page_changes_things(
    browser: InlineSystem, headers: dict[str, str]
) -> None:
    response = browser.client.post(CANCEL, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "foreign-request")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_browser_may_say_by_other_means_that_the_page_is_our_own(browser: InlineSystem, site: str) -> None:
    assert browser.client.post(CANCEL, headers={"Sec-Fetch-Site": site}).status_code == 404


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_browser_without_the_cookie_is_one_too(guarded: InlineSystem, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Authorization": f"Bearer {TOKEN}"}
    assert guarded.client.post(CANCEL, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://127.0.0.1:3000"}, {"Sec-Fetch-Site": "same-origin"}]
)
def test_a_websocket_with_the_cookie_must_be_of_the_own_page(
    browser: InlineSystem, headers: dict[str, str]
) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        browser.client.websocket_connect(EVENTS, headers=headers),
    ):
        pass
    assert refused.value.json()["code"] == "foreign-request"


@pytest.mark.parametrize("path", ["/", "/explore", "/assets/app.js", "/favicon.ico"])
def test_the_files_of_the_ui_need_no_token(guarded: InlineSystem, path: str) -> None:
    assert guarded.client.get(path).status_code in (200, 404, 503)


def test_everything_else_needs_the_token(guarded: InlineSystem) -> None:
    open_ones = {"/healthz", SESSION}
    for path, methods in guarded.app.openapi()["paths"].items():
        for method in methods.keys() - {"parameters"}:
            response = guarded.client.request(method, path.replace("{", "").replace("}", ""))
            assert path in open_ones or response.status_code == 401, (method, path)
    assert guarded.client.post("/explore").status_code == 401


def test_a_server_without_a_token_is_open_and_gives_no_cookie(tmp_path: Path) -> None:
    with inline_system(tmp_path) as system:
        told = system.client.get(SESSION).json()
        assert (told["needs_token"], told["is_open"]) == (False, True)
        response = system.client.post(SESSION, json={"token": "any"})
        assert (response.status_code, response.headers.get("set-cookie")) == (204, None)


def test_a_session_ends_after_thirty_days_and_with_the_token() -> None:
    now_s = time.time()
    value = session_cookie.value_for(TOKEN, now_s)
    assert session_cookie.is_valid(value, TOKEN, now_s + session_cookie.LIVES_S - 1)
    assert not session_cookie.is_valid(value, TOKEN, now_s + session_cookie.LIVES_S)
    assert not session_cookie.is_valid(value, "another", now_s)


@pytest.mark.parametrize("change", ["9{}", "{}0", "{}é", ""])
def test_a_changed_session_is_none(change: str) -> None:
    value = session_cookie.value_for(TOKEN, 1_000.0)
    assert not session_cookie.is_valid(change.format(value), TOKEN, 1_000.0)
    assert TOKEN not in value
