"""Words become proposals in the browser: tried first, then run, and run again without harm."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of, wait_for_jobs, wait_saved
from tests.support.browser import Tab
from tests.support.coloured import SHAPES_WH
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_DISC = (70, 70)
_SQUARE = (230, 70)


@pytest.fixture
def held(gate: Path) -> Iterator[Path]:
    """The model works on one frame, and on the others when this file is gone."""
    file = gate / "held"
    file.touch()
    yield file
    file.unlink(missing_ok=True)


def look_for(page: Page, *prompts: str) -> None:
    words = page.get_by_label("What to look for")
    for prompt in prompts:
        words.fill(prompt)
        words.press("Enter")


def test_a_try_shows_the_first_masks_while_it_goes_on(
    coloured: Tab, colours: RunningUp, shapes: Path, held: Path
) -> None:
    frames = add_coloured(colours, coloured.project, shapes)
    page = coloured.open("/annotate")
    objects = page.get_by_role("region", name="Objects")

    look_for(page, "red thing", "blue box")
    page.get_by_role("button", name="Try on 5 frames").click()

    found = re.compile(r"^red thing, Proposed, score (0\.9\d|1\.00)$")
    expect(objects.get_by_role("button", name=found)).to_have_count(2)
    expect(objects.get_by_text("0 accepted, 2 proposed")).to_be_attached()
    expect(objects.get_by_text("0 accepted, 1 proposed")).to_be_attached()
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) > 0)
    expect(page.get_by_text("1 of 5 frames")).to_be_visible()
    held.unlink()
    with colours.client() as client:
        wait_for_jobs(client, coloured.project)
    assert sorted(len(objects_of(colours, frame)) for frame in frames) == [0, 3, 3, 3, 3, 3]


def test_a_new_run_replaces_nothing_that_a_person_has_touched(
    coloured: Tab, colours: RunningUp, shapes: Path
) -> None:
    first, second, *_ = add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    page = coloured.open("/annotate", frame=first)
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) > 0)
    canvas.click(_DISC)
    page.keyboard.press("d")
    canvas.drag(_DISC, (125, 70))
    page.keyboard.press("v")
    canvas.click(_SQUARE)
    page.keyboard.press("a")
    wait_saved(page)
    touched, untouched = objects_of(colours, first), objects_of(colours, second)

    look_for(page, "red")
    page.get_by_role("button", name="Run on other frames").click()
    page.get_by_role("menuitem", name=re.compile("Run again on 6")).click()
    expect(page.get_by_role("progressbar", name="Progress of the run")).to_have_count(0)
    with colours.client() as client:
        wait_for_jobs(client, coloured.project)

    after = objects_of(colours, first)
    assert {id_: after[id_] for id_ in touched} == touched
    assert [one.status for one in touched.values()] == ["accepted", "accepted"]
    replaced = objects_of(colours, second)
    assert len(replaced) == 2
    assert not set(replaced) & set(untouched)
