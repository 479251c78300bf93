"""Videos come in through the browser: dropped, sent, followed, refused."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.steps import JOB_WITHIN_S, add_and_wait, start_adding
from tests.support.browser import Tab, drop_files, new_tab, tab_of
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_WITHIN_MS = JOB_WITHIN_S * 1000
_ZONE = "[aria-label='Drop videos here']"


def test_the_first_page_opens_and_stays_within_its_origin(tab: Tab) -> None:
    page = tab.open("/")

    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    expect(page.get_by_text("Add a video, and its frames can be searched")).to_be_visible()
    assert page.title() == "Komadori"


def test_a_dropped_video_is_followed_from_the_upload_to_its_frames(tab: Tab, footage: Path) -> None:
    page = tab.open("/")

    drop_files(page, _ZONE, [footage])

    expect(page.get_by_text("Take frames: street.mp4").first).to_be_visible()
    card = page.get_by_role("article", name="street.mp4", exact=True)
    expect(card).to_be_visible(timeout=_WITHIN_MS)
    expect(card.get_by_text(re.compile(r"^12 frames"))).to_be_visible(timeout=_WITHIN_MS)
    page.reload()
    expect(card.get_by_text("ready")).to_be_visible(timeout=_WITHIN_MS)
    expect(card.locator("img")).to_have_js_property("complete", value=True)


def test_what_is_no_video_is_refused_by_its_name(tab: Tab, tmp_path: Path, footage: Path) -> None:
    notes, torn = tmp_path / "notes.txt", tmp_path / "torn.mp4"
    notes.write_text("no video")
    torn.write_bytes(footage.read_bytes()[:2000])
    page = tab.open("/")

    drop_files(page, _ZONE, [notes, torn])

    alert = page.get_by_role("alert").filter(has_text="notes.txt is no video.")
    expect(alert).to_contain_text("Add files such as MP4")
    failed = page.get_by_role("article", name="Take frames: torn.mp4")
    expect(failed.get_by_role("alert")).to_be_visible(timeout=_WITHIN_MS)
    expect(failed.get_by_role("button", name="Try again")).to_be_visible()


def test_a_video_is_deleted_after_a_question(tab: Tab, system: RunningUp, footage: Path) -> None:
    add_and_wait(system, tab.project, footage, seconds=4)
    page = tab.open("/")

    page.get_by_role("button", name="Delete: street.mp4").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(page.get_by_role("article", name="street.mp4", exact=True)).to_have_count(0)
    with system.client() as client:
        assert client.videos(tab.project) == []


def test_eight_tabs_follow_the_same_job(
    browser: Browser, system: RunningUp, project: str, footage: Path
) -> None:
    with tab_of(browser, system.url, project) as first:
        tabs = [first, *(new_tab(first.page.context, system.url, project) for _ in range(7))]
        for tab in tabs:
            tab.open("/")
            tab.page.get_by_role("button", name="Jobs").click()
        with system.client() as client:
            start_adding(client, project, footage, "all_frames")

        for tab in tabs:
            job = tab.page.get_by_role("dialog").get_by_role("article", name="Take frames: street.mp4").first
            expect(job).to_contain_text("144 of 144", timeout=_WITHIN_MS)
        assert [error for tab in tabs for error in tab.errors] == []
