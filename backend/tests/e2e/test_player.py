"""A click on the timeline shows the very frame; what plays says which frame it shows."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.steps import add_and_wait
from tests.support.browser import Tab
from tests.support.numbered import COLUMNS, ROWS, write_numbered
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_N_FRAMES = 120
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "24", "-bf", "3"]
_VFR = ["-vf", "select='not(mod(n*n,7))+lt(mod(n,13),5)'", "-fps_mode", "vfr", "-enc_time_base", "1/90000"]

_NUMBER = """([columns, rows]) => {
  const video = document.querySelector('video')
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width: columns, height: rows })
  const pixels = canvas.getContext('2d')
  pixels.drawImage(video, 0, 0, columns, rows)
  let value = 0
  const { data } = pixels.getImageData(0, 0, columns, rows)
  for (let i = 0; i < columns * rows; i += 1) value = 2 * value + (data[4 * i] > 127)
  return value
}"""


def burnt_in(page: Page) -> int:
    """The number on the frame that is on the screen."""
    return int(page.evaluate(_NUMBER, [COLUMNS, ROWS]))


def said(page: Page) -> int:
    """The frame that the player says it shows, once it has left the first one."""
    shown = page.locator("[data-frame-index]:not([data-frame-index=''], [data-frame-index='0'])")
    expect(shown).to_be_visible()
    return int(str(shown.get_attribute("data-frame-index")))


@pytest.mark.parametrize(("name", "options"), [("cfr.mp4", _X264), ("vfr.mp4", [*_VFR, *_X264])])
def test_the_player_shows_the_frame_that_it_names(
    tab: Tab, system: RunningUp, tmp_path: Path, name: str, options: list[str]
) -> None:
    path = tmp_path / name
    write_numbered(path, _N_FRAMES, options)
    numbers = [n for n in range(_N_FRAMES) if name == "cfr.mp4" or _is_kept(n)]
    add_and_wait(system, tab.project, path, seconds=0.4)
    page = tab.open("/explore")
    track = page.locator("[data-video]")
    box = track.bounding_box()
    assert box is not None

    track.click(position={"x": box["width"] * 0.6, "y": 10})
    shown = said(page)
    at_click = (burnt_in(page), numbers[shown])
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        f"document.querySelector('[data-frame-index]').dataset.frameIndex === '{shown + 1}'"
    )
    at_next = (burnt_in(page), numbers[shown + 1])

    assert at_click[0] == at_click[1]
    assert at_next[0] == at_next[1]


def _is_kept(n: int) -> bool:
    """Which frames the filter of ``_VFR`` keeps."""
    return (n * n) % 7 == 0 or n % 13 < 5
