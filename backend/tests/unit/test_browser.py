"""The address that a browser is given, and when one is opened."""

import sys
from pathlib import Path

import pytest

from komadori.cli import browser
from tests.support.running_up import wait_until

URL = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("token", "address"),
    [(None, f"{URL}/"), ("t0ken", f"{URL}/#token=t0ken"), ("a/b#c&d", f"{URL}/#token=a%2Fb%23c%26d")],
)
def test_the_token_stands_where_no_server_sees_it(token: str | None, address: str) -> None:
    assert browser.address(URL, token) == address


def test_the_browser_of_the_user_gets_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    browser.open_page(f"{URL}/")
    wait_until((tmp_path / "opened").exists, 20)
    assert (tmp_path / "opened").read_text() == f"{URL}/\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other desktops always have a screen")
def test_without_a_screen_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("threading.Thread")
    browser.open_page(f"{URL}/")
    assert capsys.readouterr().err == "There is no screen here to open a browser on.\n"
