"""The files of the web UI as they are served, with and without a built one."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from komadori.api import errors, ui

PAGE = "<h1>Komadori</h1>"
SCRIPT = "start();" * 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "THIRD_PARTY_LICENSES.md").write_text("# Licences")
    (folder / "assets" / "app-1a2b.js").write_text(SCRIPT)
    (folder / "assets" / "icon-3c4d.png").write_bytes(b"png" * 1000)
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def client_of(folder: Path) -> TestClient:
    app = FastAPI()
    errors.install(app)
    ui.mount(app, folder)
    return TestClient(app, base_url="http://127.0.0.1:8000")


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    ["/", "/index.html", "/explore", "/annotate/3", "/../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd"],
)
def test_every_address_of_the_ui_gives_its_page(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.text == PAGE
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/%00", "/" + "x" * 2000, "/" + "x/" * 2000])
def test_an_address_that_no_file_can_have_gives_the_page(client: TestClient, path: str) -> None:
    assert client.get(path).text == PAGE


def test_a_link_in_the_folder_that_leads_out_of_it_is_not_followed(client: TestClient, folder: Path) -> None:
    (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
    assert client.get("/out.txt").text == PAGE


def test_the_page_may_load_nothing_of_another_origin(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "connect-src 'self' ws://127.0.0.1:8000 wss://127.0.0.1:8000" in policy
    assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not [part for part in policy if part.startswith("script-src") or "*" in part]


@pytest.mark.parametrize("host", ["x; script-src *", "[::1]:8000", "a b", ""])
def test_no_name_of_the_host_adds_to_the_policy(client: TestClient, host: str) -> None:
    policy = client.get("/", headers={"Host": host}).headers["content-security-policy"]
    assert policy.endswith("; connect-src 'self'")


def test_files_whose_names_change_with_their_content_are_kept(client: TestClient) -> None:
    response = client.get("/assets/app-1a2b.js")
    assert response.text == SCRIPT
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/assets/gone-1a2b.js", "/assets/", "/assets/..%2findex.html/x"])
def test_an_asset_that_is_not_there_is_not_the_page(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "no-such-address")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api", "/healthz/x", "/readyz/", "/metrics/x"])
def test_an_address_of_the_api_is_not_the_page(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 404


def test_a_page_is_only_read(client: TestClient) -> None:
    assert client.post("/explore").status_code == 405
    assert client.head("/explore").status_code == 200


def test_files_that_keep_their_names_are_asked_for_again(client: TestClient) -> None:
    first = client.get("/favicon.svg")
    assert (first.text, first.headers["cache-control"]) == ("<svg/>", "no-cache")
    again = client.get("/favicon.svg", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_licences_are_shown_not_downloaded(client: TestClient) -> None:
    assert client.get("/THIRD_PARTY_LICENSES.md").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.8", "gzip ; q=0.001", "deflate,gzip"])
def test_text_is_packed_for_those_who_take_it(client: TestClient, accepted: str) -> None:
    with client.stream("GET", "/assets/app-1a2b.js", headers={"Accept-Encoding": accepted}) as response:
        packed = b"".join(response.iter_raw())
    assert gzip.decompress(packed).decode() == SCRIPT
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip;q=0.0, br", "xgzip"])
def test_text_is_plain_for_others(client: TestClient, accepted: str) -> None:
    response = client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.text == SCRIPT


def test_pictures_are_not_packed_again(client: TestClient) -> None:
    response = client.get("/assets/icon-3c4d.png", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers
    assert response.headers["content-type"] == "image/png"


def test_a_ui_that_is_built_anew_is_served_without_a_restart(client: TestClient, folder: Path) -> None:
    (folder / "index.html").write_text(PAGE * 200)
    assert client.get("/").text == PAGE * 200
    (folder / "index.html").write_text(PAGE * 300)
    assert client.get("/").text == PAGE * 300


def test_without_a_built_ui_the_page_says_so(tmp_path: Path) -> None:
    client = client_of(tmp_path / "static")
    for path in ("/", "/explore"):
        response = client.get(path)
        assert (response.status_code, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "The web UI was not built" in response.text
    assert client.get("/assets/app.js").status_code == 404
    assert client.get("/api/v1/nothing").status_code == 404
