"""The server goes away and comes back; the page goes on by itself."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of
from tests.support.browser import tab_of
from tests.support.coloured import SHAPES_WH
from tests.support.installed import Installation
from tests.support.running_up import running_up, start_up

pytestmark = pytest.mark.browser

_READY_MS = 120_000


def test_what_is_done_while_the_server_is_away_is_saved_when_it_is_back(
    browser: Browser, installation: Installation, project: str, shapes: Path, tmp_path: Path
) -> None:
    settings = {"KOMADORI_OFFLINE": "true", "PATH": installation.path}
    with running_up(tmp_path / "home", settings, komadori=installation.komadori) as up:
        first, *_ = add_coloured(up, project, shapes)
        annotate_and_wait(up, project, ["red"])
        with tab_of(browser, up.url, project) as tab:
            page = tab.open("/annotate", frame=first)
            canvas = Canvas(page, SHAPES_WH)
            canvas.wait_drawn(lambda _: canvas.alpha_at((230, 70)) > 0)
            page.evaluate("window.isSamePage = true")
            up.stop()

            expect(page.get_by_text("Komadori does not answer. This page goes on by itself")).to_be_visible()
            page.keyboard.press("a")
            expect(page.get_by_text("1 unsaved: waiting for the server")).to_be_visible()
            up.process = start_up(up.home, settings, port=up.port, komadori=installation.komadori).process

            expect(page.get_by_text("All saved")).to_be_visible(timeout=_READY_MS)
            expect(page.get_by_text("Komadori does not answer")).to_have_count(0)
            assert page.evaluate("window.isSamePage") is True
        statuses = sorted(one.status for one in objects_of(up, first).values())
        assert statuses == ["accepted", "proposed"]
