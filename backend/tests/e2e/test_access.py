"""Everybody can use every page: without a pointer, with a screen reader, enlarged, in both languages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from komadori.core.types import AnnotationStatus
from tests.e2e.steps import JOB_WITHIN_S, add_coloured, annotate_and_wait, objects_of
from tests.support.accessible import clipped_labels, unreachable, violations
from tests.support.browser import Tab, tab_of
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_LOOKS = [("en", "dark"), ("en", "light"), ("ja", "dark"), ("ja", "light")]
_SIZES = [(1440, 900), (1024, 768)]
_AT_200_PERCENT = (720, 450)
"""What is left of 1440 x 900."""


@pytest.fixture(scope="module")
def frames(colours: RunningUp, shapes: Path, module_project: str) -> list[str]:
    """A project with something on every page."""
    ids = add_coloured(colours, module_project, shapes)
    annotate_and_wait(colours, module_project, ["red", "blue"])
    with colours.client() as client:
        client.decide([next(iter(objects_of(colours, ids[0])))], AnnotationStatus.ACCEPTED)
        client.export(None, format_name="coco", status="all", project=module_project)
    return ids


def library(tab: Tab, _: list[str]) -> None:
    expect(tab.open("/").get_by_role("article").first).to_be_visible()


def empty(tab: Tab, _: list[str]) -> None:
    tab.page.goto(f"{tab.url}/?project=empty")
    expect(tab.page.locator("h1")).to_be_attached()


def explore(tab: Tab, _: list[str]) -> None:
    expect(tab.open("/explore").get_by_role("gridcell").first).to_be_visible()


def search(tab: Tab, _: list[str]) -> None:
    expect(tab.open("/explore", q="red").get_by_role("gridcell").first).to_be_visible()


def frame(tab: Tab, frames: list[str]) -> None:
    expect(tab.open("/explore", frame=frames[0]).get_by_role("dialog")).to_be_visible()


def annotate(tab: Tab, frames: list[str]) -> None:
    page = tab.open("/annotate", frame=frames[0])
    expect(page.get_by_role("listitem").get_by_role("button", pressed=True).first).to_be_visible()


def datasets(tab: Tab, _: list[str]) -> None:
    expect(tab.open("/datasets").get_by_role("table")).to_be_visible()


def jobs(tab: Tab, frames: list[str]) -> None:
    library(tab, frames)
    tab.page.keyboard.press("j")
    expect(tab.page.get_by_role("dialog").get_by_role("article").first).to_be_visible()


def keys(tab: Tab, frames: list[str]) -> None:
    library(tab, frames)
    tab.page.keyboard.press("?")
    expect(tab.page.get_by_role("dialog")).to_be_visible()


def settings(tab: Tab, frames: list[str]) -> None:
    library(tab, frames)
    tab.page.locator("header button").last.click()
    dialog = tab.page.get_by_role("dialog")
    for more in dialog.locator("summary").all():
        more.click()


PAGES: list[Callable[[Tab, list[str]], None]] = [
    library,
    empty,
    explore,
    search,
    frame,
    annotate,
    datasets,
    jobs,
    keys,
    settings,
]


@pytest.mark.parametrize(("language", "theme"), _LOOKS)
def test_axe_finds_nothing_serious(
    browser: Browser, colours: RunningUp, module_project: str, frames: list[str], language: str, theme: str
) -> None:
    found = {}
    with tab_of(browser, colours.url, module_project, language=language, theme=theme) as tab:
        for show in PAGES:
            show(tab, frames)
            found[show.__name__] = violations(tab.page)

    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("size", _SIZES)
def test_no_japanese_label_is_clipped(
    browser: Browser, colours: RunningUp, module_project: str, frames: list[str], size: tuple[int, int]
) -> None:
    found = {}
    with tab_of(browser, colours.url, module_project, language="ja", size=size) as tab:
        for show in PAGES:
            show(tab, frames)
            found[show.__name__] = clipped_labels(tab.page)

    assert {name: labels for name, labels in found.items() if labels} == {}


@pytest.mark.parametrize(
    ("language", "size"), [("ja", _SIZES[1]), ("en", _AT_200_PERCENT), ("ja", _AT_200_PERCENT)]
)
def test_every_control_is_in_reach_in_small_windows(
    browser: Browser,
    colours: RunningUp,
    module_project: str,
    frames: list[str],
    language: str,
    size: tuple[int, int],
) -> None:
    found = {}
    with tab_of(browser, colours.url, module_project, language=language, size=size) as tab:
        for show in PAGES:
            show(tab, frames)
            found[show.__name__] = unreachable(tab.page)

    assert {name: controls for name, controls in found.items() if controls} == {}


_WORDS = {
    "en": {
        "searched": "too few frames",
        "annotate": "Annotate",
        "export": "Export",
        "download": "Download as ZIP",
        "saved": "All saved",
    },
    "ja": {
        "searched": "フレームが少なく",
        "annotate": "アノテーション",
        "export": "書き出す",
        "download": "ZIP でダウンロード",
        "saved": "保存済み",
    },
}


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("ja", "light")])
def test_from_the_search_to_the_export_by_the_keyboard_alone(
    browser: Browser, colours: RunningUp, project: str, shapes: Path, language: str, theme: str
) -> None:
    words = _WORDS[language]
    ids = add_coloured(colours, project, shapes)
    annotate_and_wait(colours, project, ["red"])
    with tab_of(browser, colours.url, project, language=language, theme=theme) as tab:
        page = tab.open("/")
        expect(page.get_by_role("article").first).to_be_visible()

        press(page, "g", "e")
        expect(page.get_by_role("gridcell").first).to_be_visible()
        press(page, "/")
        page.keyboard.type("red")
        press(page, "Enter", "Escape")
        expect(page.get_by_text(words["searched"])).to_be_visible()
        press(page, "ArrowRight", "Space", "Shift+ArrowRight")
        expect(page.get_by_role("gridcell", selected=True)).to_have_count(2)
        tab_to(page, words["annotate"])
        press(page, "Enter")
        expect(page.get_by_role("listitem").get_by_role("button", pressed=True)).to_have_count(1)
        press(page, "a", "a")
        expect(page.get_by_text(words["saved"])).to_be_visible()
        press(page, "g", "d")
        expect(page.get_by_role("table")).to_be_visible()
        tab_to(page, words["export"])
        press(page, "Enter")
        expect(page.get_by_role("link", name=words["download"])).to_be_visible(timeout=JOB_WITHIN_S * 1000)
        with page.expect_download():
            tab_to(page, words["download"])
            press(page, "Enter")

        assert tab.errors == []
    accepted = [one for id_ in ids for one in objects_of(colours, id_).values() if one.status == "accepted"]
    assert len(accepted) == 2


def press(page: Page, *strokes: str) -> None:
    for stroke in strokes:
        page.keyboard.press(stroke)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with this name, and no page's link, has the focus, and shows it."""
    for _ in range(100):
        page.keyboard.press("Tab")
        focused, outline = page.evaluate(
            """() => {
                const element = document.activeElement
                const name = element.getAttribute('aria-label') ?? element.textContent.trim()
                return [element.closest('nav') === null ? name : '', getComputedStyle(element).outlineStyle]
            }"""
        )
        if focused == name:
            assert outline == "solid"
            return
    raise AssertionError(f"Tab does not lead to {name}")
