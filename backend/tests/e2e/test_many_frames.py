"""Ten thousand frames in the grid: few tiles, each with its own picture, also after a jump."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.steps import wait_for
from tests.support.browser import Tab, tab_of
from tests.support.many_frames import add_many_frames, colour_of
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_N_FRAMES = 10_000
_NEAR = 6
"""How far JPEG and a canvas may move a channel; colours of neighbours are 16 apart."""

_VISIBLE = """() => {
  const grid = document.querySelector('[role=grid]')?.getBoundingClientRect()
  if (grid === undefined) return []
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 1
  const pixels = canvas.getContext('2d', { willReadFrequently: true })
  return [...document.querySelectorAll('[role=gridcell]')].flatMap((tile) => {
    const { top, bottom } = tile.getBoundingClientRect()
    if (bottom <= grid.top || top >= grid.bottom) return []
    const image = tile.querySelector('img')
    if (image === null || !image.complete || image.naturalWidth === 0) return [[tile.dataset.id, null]]
    pixels.drawImage(image, 0, 0, 1, 1)
    return [[tile.dataset.id, [...pixels.getImageData(0, 0, 1, 1).data].slice(0, 3)]]
  })
}"""

_ALL_LOADED = f"""() => {{
  const seen = ({_VISIBLE})()
  return seen.length > 20 && seen.every(([, rgb]) => rgb !== null)
}}"""


@pytest.fixture(scope="module")
def frame_ids(system: RunningUp) -> list[int]:
    return add_many_frames(system.home, "many", _N_FRAMES)


@pytest.fixture
def many(browser: Browser, system: RunningUp, frame_ids: list[int]) -> Iterator[Tab]:
    with tab_of(browser, system.url, "many") as opened:
        yield opened
        assert opened.errors == []


def wrong_tiles(page: Page, frame_ids: list[int]) -> list[str]:
    """The visible frames whose picture is that of another."""
    index_of = {str(frame_id): index for index, frame_id in enumerate(frame_ids)}
    return [
        frame_id
        for frame_id, rgb in page.evaluate(_VISIBLE)
        if any(abs(a - b) > _NEAR for a, b in zip(rgb, colour_of(index_of[frame_id]), strict=True))
    ]


def test_the_first_screen_shows_each_frame_and_few_tiles(many: Tab, frame_ids: list[int]) -> None:
    page = many.open("/explore")
    wait_for(page, _ALL_LOADED)

    expect(page.get_by_text("10,000 frames").first).to_be_visible()
    assert wrong_tiles(page, frame_ids) == []
    assert page.locator("[role=gridcell]").count() <= 200


def test_a_jump_to_the_middle_shows_the_frames_of_the_middle(many: Tab, frame_ids: list[int]) -> None:
    page = many.open("/explore")
    wait_for(page, _ALL_LOADED)

    page.locator("[role=grid]").evaluate("grid => { grid.scrollTop = grid.scrollHeight / 2 }")
    wait_for(page, f"() => document.querySelector('[role=gridcell]').dataset.id > {frame_ids[4000]}")
    wait_for(page, _ALL_LOADED)

    assert wrong_tiles(page, frame_ids) == []
    assert page.locator("[role=gridcell]").count() <= 200


def test_the_last_frame_is_reached_by_key(many: Tab, frame_ids: list[int]) -> None:
    page = many.open("/explore")
    wait_for(page, _ALL_LOADED)

    page.locator("[role=grid]").evaluate("grid => { grid.scrollTop = grid.scrollHeight }")

    expect(page.locator(f"[data-id='{frame_ids[-1]}']")).to_be_in_viewport()
    page.locator("[role=grid]").focus()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("10,000 selected")).to_be_visible()
