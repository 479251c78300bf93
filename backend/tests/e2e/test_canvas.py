"""The canvas shows what it is told to, to the pixel, whatever the number of objects."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of, wait_saved
from tests.support.browser import Tab, tab_of
from tests.support.coloured import SHAPES_WH, SQUARES_WH, write_squares
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_FEW, _MANY = 50, 1_000
_FIRST_SQUARE = (16, 14)
_LAST_OF_THE_FIRST_ROW = (4 + 32 * 39 + 12, 14)
_GAP = (30, 26)
_ROW_HEIGHT = 36
_FRAME_MS = 50
"""A frame in twenty a second."""


@pytest.fixture(scope="module")
def squares(colours: RunningUp, module_project: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A frame with 50 objects, and one with 1,000."""
    path = tmp_path_factory.mktemp("squares") / "squares.mp4"
    write_squares(path, [_FEW, _MANY])
    ids = add_coloured(colours, module_project, path)
    annotate_and_wait(colours, module_project, ["red"])
    return ids


@pytest.fixture
def crowded(browser: Browser, colours: RunningUp, module_project: str, squares: list[str]) -> Iterator[Tab]:
    with tab_of(browser, colours.url, module_project) as opened:
        yield opened
        assert opened.errors == []
        assert opened.foreign == []


def show(tab: Tab, frame_id: str, n: int, last: tuple[float, float]) -> tuple[Page, Canvas]:
    """A frame with all its objects drawn and none selected."""
    page = tab.open("/annotate", frame=frame_id)
    page.get_by_role("application", name=re.compile(f"with {n:,} objects")).focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="red, Proposed", pressed=True)).to_have_count(0)
    canvas = Canvas(page, SQUARES_WH)
    for at in (_FIRST_SQUARE, last):
        canvas.wait_drawn(lambda _, at=at: canvas.alpha_at(at) > 0)  # type: ignore[misc]
    return page, canvas


def toggle(page: Page, place: int) -> None:
    """Hide or show the object at a place of the list."""
    rows = page.get_by_role("region", name="Objects").get_by_role("list")
    rows.evaluate("(list, top) => list.parentElement.scrollTo(0, top)", _ROW_HEIGHT * place)
    row = rows.locator(f"li[style*='translateY({_ROW_HEIGHT * (place + 1)}px)']")
    row.get_by_role("button", name=re.compile("in the picture")).evaluate("(button) => button.click()")


class CpuTime:
    """What the main thread of a page works in the block, which other work on the machine does not change."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self.ms = 0.0

    def __enter__(self) -> "CpuTime":
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.ms -= self._read_ms()
        return self

    def __exit__(self, *_: object) -> None:
        self.ms += self._read_ms()

    def _read_ms(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def test_fifty_masks_go_one_by_one_and_return_to_the_pixel(crowded: Tab, squares: list[str]) -> None:
    page, canvas = show(crowded, squares[0], _FEW, (4 + 32 * 9 + 12, 28 + 14))
    whole = canvas.digest()
    without_one = set()

    for place in range(_FEW):
        toggle(page, place)
        without_one.add(canvas.wait_drawn(lambda digest: digest != whole))
        toggle(page, place)
        canvas.wait_drawn(lambda digest: digest == whole)

    assert len(without_one) == _FEW


def test_all_masks_go_and_return_by_one_key(crowded: Tab, squares: list[str]) -> None:
    page, canvas = show(crowded, squares[0], _FEW, (4 + 32 * 9 + 12, 28 + 14))
    whole = canvas.digest()

    page.keyboard.press("h")
    canvas.wait_drawn(lambda digest: digest != whole)
    hidden = canvas.alpha_at(_FIRST_SQUARE)
    page.keyboard.press("h")

    canvas.wait_drawn(lambda digest: digest == whole)
    assert hidden == 0


def test_a_thousand_objects_are_panned_in_time(crowded: Tab, squares: list[str]) -> None:
    n_steps = 30
    page, canvas = show(crowded, squares[1], _MANY, _LAST_OF_THE_FIRST_ROW)
    x, y = canvas.on_page(_GAP)
    before = canvas.digest()
    page.mouse.move(x, y)
    page.mouse.down()

    with CpuTime(page) as panning:
        page.mouse.move(x + 150, y + 90, steps=n_steps)

    assert canvas.digest() != before
    assert panning.ms / n_steps < _FRAME_MS


def test_one_of_a_thousand_objects_is_pointed_at_in_time(crowded: Tab, squares: list[str]) -> None:
    page, canvas = show(crowded, squares[1], _MANY, _LAST_OF_THE_FIRST_ROW)
    page.mouse.move(*canvas.on_page(_GAP))
    before = canvas.digest("edit")

    with CpuTime(page) as pointing:
        page.mouse.move(*canvas.on_page(_FIRST_SQUARE))
        page.evaluate("new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")

    assert canvas.digest("edit") != before
    assert pointing.ms < _FRAME_MS


def test_a_thousand_objects_are_listed_by_few_elements(crowded: Tab, squares: list[str]) -> None:
    page, _ = show(crowded, squares[1], _MANY, _LAST_OF_THE_FIRST_ROW)
    rows = page.get_by_role("region", name="Objects").get_by_role("list")

    rows.evaluate("(list) => list.parentElement.scrollTo(0, list.scrollHeight)")

    expect(rows.locator(f"li[style*='translateY({_ROW_HEIGHT * _MANY}px)']")).to_be_visible()
    assert rows.locator("li").count() < 60


def test_a_stroke_that_goes_on_while_the_frame_changes_stays_on_its_own(
    coloured: Tab, colours: RunningUp, shapes: Path
) -> None:
    first, second, *_ = add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    before, untouched = objects_of(colours, first), objects_of(colours, second)
    page = coloured.open("/annotate", frame=first)
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at((230, 70)) > 0)
    canvas.click((70, 70))
    page.keyboard.press("d")

    canvas.press((70, 70))
    canvas.move((120, 70))
    page.keyboard.press("n")
    expect(page.get_by_text("Frame 2 of 6")).to_be_attached()
    canvas.move((160, 120))
    canvas.release()
    wait_saved(page)

    after = objects_of(colours, first)
    changed = [after[id_].bbox_xyxy for id_ in before if after[id_] != before[id_]]
    assert [right for _, _, right, _ in changed] == [136.0]
    assert len(after) == 2
    assert objects_of(colours, second) == untouched
