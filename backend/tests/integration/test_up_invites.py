"""What `komadori up` says of the web UI once all is ready, from a real API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.api.app import create_app
from komadori.cli import browser, up
from komadori.settings import Settings
from tests.support.app import NEVER_S, inline_context, live_server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that were opened."""
    pages: list[str] = []
    monkeypatch.setattr(browser, "open_page", pages.append)
    return pages


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Of an API with a token and a web UI, which listens."""
    settings, ctx, _queue = inline_context(tmp_path / "home", token="t0/ken")
    app = create_app(settings, ctx, reap_every_s=NEVER_S)
    app.state.ui_folder = tmp_path
    (tmp_path / "index.html").write_text("")
    with live_server(app) as url:
        yield settings.model_copy(update={"url": url})
    ctx.sessions.close()


def test_the_way_in_is_printed_with_the_token_and_opened_without(
    settings: Settings, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    up._invite(settings, is_shown=False)
    assert opened == []
    up._invite(settings, is_shown=True)
    assert opened == [f"{settings.url}/"]
    assert capsys.readouterr().out == f"In a browser: {settings.url}/#token=t0%2Fken\n" * 2


def test_an_installation_without_a_ui_says_so_when_it_is_to_be_opened(
    settings: Settings, tmp_path: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").unlink()
    up._invite(settings, is_shown=False)
    up._invite(settings, is_shown=True)
    said = capsys.readouterr()
    assert (opened, said.out) == ([], "")
    assert said.err.splitlines() == [
        "This installation has no web UI; in a checkout, `make ui` builds it.",
    ]
