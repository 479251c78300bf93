"""Finding frames in the browser: by words, by pictures, by looking."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.steps import add_and_wait
from tests.support.browser import Tab, tab_of
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_N_FRAMES = 48


@pytest.fixture(scope="module")
def stocked(system: RunningUp, footage: Path) -> str:
    """A project with 48 frames of a video."""
    add_and_wait(system, "explored", footage, seconds=0.25)
    return "explored"


@pytest.fixture
def explored(browser: Browser, system: RunningUp, stocked: str) -> Iterator[Tab]:
    with tab_of(browser, system.url, stocked) as opened:
        yield opened
        assert opened.errors == []
        assert opened.foreign == []


def tiles(page: Page) -> list[str]:
    """The frames in the grid, in their order."""
    shown = page.locator("[role=gridcell]")
    expect(shown.first).to_be_visible()
    return [str(one.get_attribute("data-id")) for one in shown.all()]


def search_for(page: Page, words: str) -> None:
    page.get_by_role("searchbox").fill(words)
    expect(page).to_have_url(re.compile("q="))
    expect(page.get_by_text("Searching")).to_have_count(0)


def test_words_order_the_frames_and_are_restored_by_reload_and_back(explored: Tab) -> None:
    page = explored.open("/explore")
    by_time = tiles(page)

    search_for(page, "ring")
    page.get_by_label("Show").select_option("all")
    by_score = tiles(page)
    page.reload()
    expect(page.locator("[role=gridcell]").first).to_have_attribute("data-id", by_score[0])
    restored = tiles(page)
    page.go_back()
    page.go_back()
    expect(page.locator("[role=gridcell]").first).to_have_attribute("data-id", by_time[0])

    assert sorted(by_score) == sorted(by_time)
    assert by_score != by_time
    assert restored == by_score
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert tiles(page) == by_time


def test_an_input_method_searches_once_at_its_commit(explored: Tab) -> None:
    asked: list[str] = []
    page = explored.open("/explore")
    page.on("request", lambda request: asked.append(request.url) if "/searches" in request.url else None)
    page.get_by_role("searchbox").focus()
    keyboard = page.context.new_cdp_session(page)

    for text in ("あ", "あか", "あかい", "赤い"):
        keyboard.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        )
    page.wait_for_timeout(600)
    during = list(asked)
    keyboard.send("Input.insertText", {"text": "赤い"})
    expect(page).to_have_url(re.compile("q=%E8%B5%A4%E3%81%84"))
    expect(page.get_by_text("Searching")).to_have_count(0)

    assert during == []
    assert len(asked) == 1


def test_a_picture_that_is_pasted_is_searched_with_and_cleared_by_one_click(
    explored: Tab, system: RunningUp
) -> None:
    page = explored.open("/explore")
    wanted = tiles(page)[7]
    with system.client() as client:
        picture = base64.b64encode(client.image(wanted)).decode()

    page.evaluate(
        """(base64) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
            const transfer = new DataTransfer()
            transfer.items.add(new File([bytes], 'pasted.jpg', { type: 'image/jpeg' }))
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }))
        }""",
        picture,
    )
    expect(page.get_by_text("Similar to this picture")).to_be_visible()
    expect(page.get_by_text("Searching")).to_have_count(0)

    expect(page.locator("[role=gridcell]").first).to_have_attribute("data-id", wanted)
    page.get_by_role("button", name="Clear the search").click()
    expect(page.locator("[role=gridcell]")).to_have_count(_N_FRAMES)


def test_similar_frames_of_the_active_one_by_its_key(explored: Tab) -> None:
    page = explored.open("/explore")
    wanted = tiles(page)[5]

    page.locator(f"[data-id='{wanted}']").click()
    page.keyboard.press("s")

    expect(page.get_by_text("Similar to this frame")).to_be_visible()
    expect(page.locator("[role=gridcell]").first).to_have_attribute("data-id", wanted)


def test_a_range_all_and_nothing_are_selected_and_last_while_a_frame_is_open(explored: Tab) -> None:
    page = explored.open("/explore")
    shown = tiles(page)
    bar = page.get_by_role("region", name="Selection")

    page.locator(f"[data-id='{shown[2]}'] [data-check]").click()
    page.locator(f"[data-id='{shown[6]}']").click(modifiers=["Shift"])
    expect(bar).to_contain_text("5 selected")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(bar).to_contain_text("5 selected")
    page.keyboard.press("Control+a")
    expect(bar).to_contain_text(f"{_N_FRAMES} selected")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)


def test_what_is_not_there_is_said_not_to_be_there(explored: Tab) -> None:
    page = explored.open("/explore")

    search_for(page, "snowstorm over a cathedral")

    expect(page.get_by_text("Nothing here matches.")).to_be_visible()
