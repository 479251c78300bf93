"""Whatever is pressed and clicked, the page does not break."""

import random
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.steps import add_coloured, annotate_and_wait
from tests.support.browser import tab_of
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_N_STEPS = 200
_SIZE = (1440, 900)
_KEYS: list[str] = [
    *"/?jasxhouvcbdeympnk0123[]+-",
    *["g l", "g e", "g a", "g d", "Control+z", "Control+Shift+z", "Control+a", "Shift+a", "Shift+m"],
    *[
        "ArrowLeft",
        "ArrowRight",
        "ArrowUp",
        "ArrowDown",
        "Shift+ArrowRight",
        "Space",
        "Enter",
        "Escape",
        "Delete",
    ],
    *["Tab", "Shift+Tab", "Home", "End"],
]
_REFUSALS = ("status of 404", "status of 409", "status of 422")
"""Of requests that a person may make, and that the server answers with what to do."""


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_random_steps_break_nothing(
    browser: Browser, colours: RunningUp, project: str, shapes: Path, seed: int
) -> None:
    add_coloured(colours, project, shapes)
    annotate_and_wait(colours, project, ["red", "blue"])
    rng = random.Random(seed)
    with tab_of(browser, colours.url, project, size=_SIZE) as tab:
        page = tab.open("/annotate")
        expect(page.get_by_role("application")).to_be_visible()

        steps = [step(page, rng) for _ in range(_N_STEPS)]

        expect(page.get_by_text("Something went wrong in this page")).to_have_count(0)
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        broken = [error for error in tab.errors if not any(refusal in error for refusal in _REFUSALS)]
    assert broken == [], steps


def step(page: Page, rng: random.Random) -> str:
    """Press a key, click, or drag: what was done."""
    x, y = (rng.randrange(1, side - 1) for side in _SIZE)
    if rng.random() < 0.5:
        keys = rng.choice(_KEYS)
        for key in keys.split(" "):
            page.keyboard.press(key)
        return keys
    page.mouse.move(x, y)
    page.mouse.down()
    reach = rng.choice([1, 1, 200])
    to_x, to_y = x + rng.randrange(-reach, reach), y + rng.randrange(-reach, reach)
    page.mouse.move(to_x, to_y, steps=2)
    page.mouse.up()
    return f"({x}, {y}) to ({to_x}, {to_y})"
