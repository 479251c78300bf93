"""What the documents point at is there."""

import re
from collections.abc import Iterator
from fnmatch import filter as matching
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links(page: Path) -> Iterator[str]:
    """The targets on this machine that a page links to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_leads_to_a_file(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_each_make_target_that_is_written_about_exists() -> None:
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))}

    assert asked
    assert asked <= made


def test_each_fault_that_operations_explains_is_one_of_the_doctors() -> None:
    rows = re.compile(r"^\| ((?:`[a-z0-9*-]+`(?:, )?)+) \|", re.MULTILINE)
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    explained = operations.partition("| the doctor's id |")[2].partition("\n\n")[0]
    patterns = [name for row in rows.findall(explained) for name in re.findall(r"[a-z0-9*-]+", row)]
    doctor = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    known = [name for row in rows.findall(doctor) for name in re.findall(r"[a-z0-9-]+", row)]

    assert len(patterns) > 20
    assert [pattern for pattern in patterns if not matching(known, pattern)] == []
