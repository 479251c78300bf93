"""Decisions in the browser: of one object, of a whole class, of two people at once, and who made them."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of, wait_saved
from tests.support.browser import Tab, new_tab
from tests.support.coloured import N_SHAPES_FRAMES, SHAPES_WH
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_DISC = (70, 70)
_SQUARE = (230, 70)


@pytest.fixture
def frames(coloured: Tab, colours: RunningUp, shapes: Path) -> list[str]:
    """Frames with two proposals each."""
    ids = add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    return ids


def show(tab: Tab, frame_id: str) -> tuple[Page, Canvas]:
    page = tab.open("/annotate", frame=frame_id)
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE, "masks") + canvas.alpha_at(_SQUARE, "edit") > 0)
    return page, canvas


def statuses(system: RunningUp, frames: list[str]) -> list[str]:
    return [one.status for id_ in frames for one in objects_of(system, id_).values()]


def boxes(system: RunningUp, frame_id: str) -> list[tuple[float, float, float, float]]:
    """The disc's and the square's."""
    return sorted(one.bbox_xyxy for one in objects_of(system, frame_id).values())


def test_a_class_is_accepted_in_all_frames_and_taken_back(
    coloured: Tab, colours: RunningUp, frames: list[str]
) -> None:
    page, _ = show(coloured, frames[0])

    page.get_by_role("button", name="More for red").click()
    page.get_by_role("menuitem", name="Accept those from this score in the project").click()
    page.get_by_role("dialog").get_by_role("button", name="Accept").click()
    expect(page.get_by_text(f"{2 * N_SHAPES_FRAMES} accepted", exact=True)).to_be_visible()
    decided = statuses(colours, frames)
    page.get_by_role("button", name="Undo").last.click()
    wait_saved(page)

    assert decided == ["accepted"] * 2 * N_SHAPES_FRAMES
    assert statuses(colours, frames) == ["proposed"] * 2 * N_SHAPES_FRAMES


def test_each_decision_leads_to_what_is_undecided_next(
    coloured: Tab, colours: RunningUp, frames: list[str]
) -> None:
    page, _ = show(coloured, frames[0])

    for place in range(N_SHAPES_FRAMES):
        expect(page.get_by_text(f"Frame {place + 1} of {N_SHAPES_FRAMES}")).to_be_attached()
        for key in ("a", "x"):
            expect(page.get_by_role("listitem").get_by_role("button", pressed=True).first).to_be_visible()
            page.keyboard.press(key)
    expect(page.get_by_text("Nothing is undecided here any more")).to_be_visible()
    wait_saved(page)

    assert (
        sorted(statuses(colours, frames)) == ["accepted"] * N_SHAPES_FRAMES + ["rejected"] * N_SHAPES_FRAMES
    )


def test_who_comes_second_is_asked_which_edit_is_to_stay(
    coloured: Tab, colours: RunningUp, frames: list[str]
) -> None:
    disc, _ = boxes(colours, frames[0])
    first, canvas = show(coloured, frames[0])
    second, other_canvas = show(new_tab(first.context, coloured.url, coloured.project), frames[0])
    for page, on, end in ((first, canvas, (120, 70)), (second, other_canvas, (70, 130))):
        on.click(_DISC)
        page.keyboard.press("d")
        on.drag(_DISC, end)
    wait_saved(first)

    dialog = second.get_by_role("dialog", name="Somebody else has changed this object")
    dialog.get_by_role("button", name="Keep yours").click()
    wait_saved(second)

    (edited,) = [one for one in objects_of(colours, frames[0]).values() if one.status == "accepted"]
    assert edited.bbox_xyxy == (*disc[:3], 130.0 + 32 / 2)


def test_the_history_tells_who_did_what_and_leads_back(
    coloured: Tab, colours: RunningUp, frames: list[str]
) -> None:
    before = objects_of(colours, frames[0])
    page, canvas = show(coloured, frames[0])
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.keyboard.press("Escape")
    canvas.click(_DISC)
    page.keyboard.press("d")
    canvas.drag(_DISC, (120, 70))
    wait_saved(page)

    page.get_by_role("button", name="History").click()
    expect(page.get_by_role("dialog").get_by_text("Ada Lovelace")).to_be_visible()
    page.get_by_role("button", name="Restore revision 1").click()
    wait_saved(page)

    assert objects_of(colours, frames[0]) == before


def test_two_objects_become_one_and_one_becomes_two(
    coloured: Tab, colours: RunningUp, frames: list[str]
) -> None:
    disc, square = boxes(colours, frames[0])
    page, canvas = show(coloured, frames[0])
    canvas.click(_DISC)
    canvas.click(_SQUARE, "Shift")

    page.keyboard.press("m")
    wait_saved(page)
    merged = sorted((one.status, one.bbox_xyxy) for one in objects_of(colours, frames[0]).values())
    page.keyboard.press("Shift+m")
    wait_saved(page)
    split = sorted((one.status, one.bbox_xyxy) for one in objects_of(colours, frames[0]).values())

    around = (*disc[:2], square[2], disc[3])
    assert merged == [("accepted", around), ("rejected", square)]
    assert split == [("accepted", disc), ("accepted", square), ("rejected", square)]
