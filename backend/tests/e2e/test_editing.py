"""Masks are mended in the browser, to the pixel: with clicks, brush, eraser, polygon and box."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from komadori.cli.answers import Annotation
from komadori.core import masks
from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of, wait_saved
from tests.support.browser import Tab, tab_of
from tests.support.coloured import SHAPES_WH
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_DISC = (70, 70)
_SQUARE = (230, 70)
_BESIDE_DISC = (125, 70)
_EMPTY = (290, 215)


@dataclass(frozen=True, slots=True)
class Edited:
    """A tab, and the frames that it can show."""

    tab: Tab
    frames: list[str]
    system: RunningUp

    def show(self, number: int) -> tuple[Page, Canvas]:
        """The number-th frame, with nothing selected."""
        page = self.tab.open("/annotate", frame=self.frames[number])
        expect(page.get_by_role("region", name="Selected object").get_by_label("Class")).to_be_visible()
        canvas = Canvas(page, SHAPES_WH)
        canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) > 0)
        page.get_by_role("application").focus()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="red", pressed=True)).to_have_count(0)
        return page, canvas

    def at(self, number: int, position: tuple[int, int]) -> Annotation:
        """The object of a frame at a position, as the server has it."""
        (found,) = [one for one in self.objects(number) if covers(one, position) and one.status != "rejected"]
        return found

    def objects(self, number: int) -> list[Annotation]:
        return list(objects_of(self.system, self.frames[number]).values())


@pytest.fixture(scope="module")
def frames(colours: RunningUp, shapes: Path, module_project: str) -> list[str]:
    """Frames in which both red shapes are proposed."""
    ids = add_coloured(colours, module_project, shapes)
    annotate_and_wait(colours, module_project, ["red"])
    return ids


@pytest.fixture
def edited(browser: Browser, colours: RunningUp, module_project: str, frames: list[str]) -> Iterator[Edited]:
    with tab_of(browser, colours.url, module_project) as opened:
        yield Edited(opened, frames, colours)
        assert opened.errors == []
        assert opened.foreign == []


def mask_of(one: Annotation) -> masks.Rle:
    assert one.segmentation is not None
    return masks.Rle(one.segmentation.size, one.segmentation.counts.encode())


def covers(one: Annotation, position: tuple[int, int]) -> bool:
    x, y = position
    return bool(masks.decode(mask_of(one))[y, x])


def area(one: Annotation) -> int:
    return mask_of(one).area


def _brush(page: Page, canvas: Canvas) -> None:
    page.keyboard.press("d")
    canvas.drag(_DISC, _BESIDE_DISC)


def _eraser(page: Page, canvas: Canvas) -> None:
    page.keyboard.press("e")
    canvas.drag((45, 50), (60, 60))


def _polygon(page: Page, canvas: Canvas) -> None:
    page.keyboard.press("y")
    for corner in [(70, 60), (120, 60), (120, 120), (70, 120)]:
        canvas.click(corner)
    page.keyboard.press("Enter")


def _box(page: Page, canvas: Canvas) -> None:
    page.keyboard.press("b")
    page.get_by_role("button", name="Box asks the model").click()
    canvas.drag((20, 20), (115, 68))
    expect(page.get_by_text("Enter keeps the mask")).to_be_visible()
    page.get_by_role("application").focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("number", "use", "is_larger"),
    [(0, _brush, True), (1, _eraser, False), (2, _polygon, True), (3, _box, False)],
    ids=["brush", "eraser", "polygon", "box"],
)
def test_a_tool_changes_the_mask_and_undo_restores_it(
    edited: Edited, number: int, use: Callable[[Page, Canvas], None], is_larger: bool
) -> None:
    page, canvas = edited.show(number)
    before = edited.at(number, _DISC)

    canvas.click(_DISC)
    use(page, canvas)
    wait_saved(page)
    changed = objects_of(edited.system, before.frame_id)[before.id]
    page.keyboard.press("Control+z")
    wait_saved(page)

    assert (area(changed) > area(before)) == is_larger
    assert area(changed) != area(before)
    assert changed.status == "accepted"
    assert objects_of(edited.system, before.frame_id)[before.id] == before


def test_clicks_mend_an_object_that_words_found_and_undo_restores_it(edited: Edited) -> None:
    page, canvas = edited.show(4)
    before = edited.at(4, _SQUARE)
    beside = (268, 70)

    canvas.click(_SQUARE)
    page.keyboard.press("c")
    canvas.click(beside)
    expect(page.get_by_text("Enter keeps the mask")).to_be_visible()
    canvas.click((220, 60), "Alt")
    expect(page.get_by_text("Asking the model")).to_have_count(0)
    page.keyboard.press("Enter")
    wait_saved(page)
    changed = objects_of(edited.system, before.frame_id)[before.id]
    page.keyboard.press("Control+z")
    wait_saved(page)

    assert covers(changed, beside)
    assert not covers(changed, _SQUARE)
    assert objects_of(edited.system, before.frame_id)[before.id] == before


def test_a_click_far_from_the_selected_object_begins_a_new_one(edited: Edited) -> None:
    page, canvas = edited.show(4)
    before = objects_of(edited.system, edited.frames[4])
    blue = (130, 180)

    canvas.click(_SQUARE)
    page.keyboard.press("c")
    canvas.click(blue)
    expect(page.get_by_text("Enter keeps the mask")).to_be_visible()
    page.keyboard.press("Enter")
    wait_saved(page)

    after = objects_of(edited.system, edited.frames[4])
    (new,) = set(after) - set(before)
    assert {id_: after[id_] for id_ in before} == before
    assert mask_of(after[new]).bbox_xyxy == (120.0, 160.0, 180.0, 200.0)


def test_what_was_undone_step_by_step_is_redone_and_lasts_after_a_reload(edited: Edited) -> None:
    page, canvas = edited.show(5)
    before = edited.at(5, _DISC)
    at_first = canvas.digest()
    steps = [_brush, _eraser, _polygon]

    canvas.click(_DISC)
    for use in steps:
        use(page, canvas)
    for _ in steps:
        page.keyboard.press("Control+z")
    wait_saved(page)
    undone = objects_of(edited.system, before.frame_id)[before.id]
    page.keyboard.press("Escape")
    canvas.wait_drawn(lambda digest: digest == at_first)
    for _ in steps:
        page.keyboard.press("Control+Shift+z")
    wait_saved(page)
    redone = objects_of(edited.system, before.frame_id)[before.id]
    shown = canvas.wait_drawn(lambda digest: digest != at_first)
    _, again = edited.show(5)

    assert undone == before
    assert area(redone) > area(before)
    again.wait_drawn(lambda digest: digest == shown)
