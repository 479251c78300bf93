"""What was decided leaves through the browser, as the field's own loader reads it."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO

from tests.e2e.canvas import Canvas
from tests.e2e.steps import add_coloured, annotate_and_wait, objects_of, wait_saved
from tests.support.browser import Tab
from tests.support.coloured import N_SHAPES_FRAMES, SHAPES_WH
from tests.support.running_up import RunningUp

pytestmark = pytest.mark.browser

_SQUARE = (230, 70)


def decide_on_the_first_frame(tab: Tab, frame_id: str) -> None:
    """Of two proposals accept the one and reject the other."""
    page = tab.open("/annotate", frame=frame_id)
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) > 0)
    canvas.click(_SQUARE)
    page.keyboard.press("a")
    canvas.click((70, 70))
    page.keyboard.press("x")
    wait_saved(page)


def export(page: Page, format_name: str) -> dict[str, bytes]:
    """The files of an export that is made now."""
    page.get_by_label("Format").select_option(format_name)
    page.get_by_role("button", name="Export", exact=True).click()
    return download(page, format_name)


def download(page: Page, format_name: str) -> dict[str, bytes]:
    """The files of the newest export of a format."""
    newest = page.get_by_role("region", name="Exports").get_by_role("listitem").first
    expect(newest.locator("strong")).to_have_text(format_name)
    link = newest.get_by_role("link", name="Download as ZIP")
    expect(link).to_be_visible()
    with page.expect_download() as begun:
        link.click()
    with zipfile.ZipFile(io.BytesIO(Path(begun.value.path()).read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def file_that_ends(files: dict[str, bytes], end: str) -> bytes:
    (name,) = [name for name in files if name.endswith(end)]
    return files[name]


def test_coco_has_what_was_accepted_and_nothing_else(
    coloured: Tab, colours: RunningUp, shapes: Path, tmp_path: Path
) -> None:
    first, *_ = add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    decide_on_the_first_frame(coloured, first)
    (accepted,) = [one for one in objects_of(colours, first).values() if one.status == "accepted"]
    page = coloured.open("/datasets")
    expect(page.get_by_role("row", name=re.compile("red 1 10 1 6$"))).to_be_visible()
    expect(page.get_by_text("1 annotations in 1 frames")).to_be_visible()

    instances = tmp_path / "instances.json"
    instances.write_bytes(file_that_ends(export(page, "coco"), "instances_default.json"))

    loaded = COCO(str(instances))
    (annotation,) = loaded.loadAnns(loaded.getAnnIds())
    assert accepted.segmentation is not None
    assert annotation["segmentation"] == {
        "size": list(accepted.segmentation.size),
        "counts": accepted.segmentation.counts,
    }
    assert annotation["area"] == 60 * 60
    assert [one["name"] for one in loaded.loadCats(loaded.getCatIds())] == ["red"]


def test_the_same_export_again_is_the_same_to_the_byte(
    coloured: Tab, colours: RunningUp, shapes: Path
) -> None:
    add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    page = coloured.open("/datasets")
    page.get_by_label("What").select_option("all")
    first = export(page, "yolo-detect")
    rows = page.get_by_role("region", name="Exports").get_by_role("listitem")

    rows.get_by_role("button", name="Export the same again").click()
    expect(rows).to_have_count(2)
    second = download(page, "yolo-detect")

    assert second == first
    labels = [content for name, content in first.items() if "/labels/" in f"/{name}"]
    assert [len(content.splitlines()) for content in labels] == [2] * N_SHAPES_FRAMES


def test_what_is_hidden_in_the_picture_is_saved_and_exported(
    coloured: Tab, colours: RunningUp, shapes: Path
) -> None:
    first, *_ = add_coloured(colours, coloured.project, shapes)
    annotate_and_wait(colours, coloured.project, ["red"])
    page = coloured.open("/annotate", frame=first)
    canvas = Canvas(page, SHAPES_WH)
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) > 0)
    page.get_by_role("button", name="Accept all shown of red").click()
    page.get_by_role("button", name="More for red").click()
    page.get_by_role("menuitem", name="Hide or show in the picture").click()
    canvas.wait_drawn(lambda _: canvas.alpha_at(_SQUARE) == 0)
    wait_saved(page)

    page.get_by_role("link", name="Datasets").click()
    files = export(page, "yolo-segment")

    labels = [content for name, content in files.items() if "/labels/" in f"/{name}"]
    assert [len(content.splitlines()) for content in labels] == [2]
