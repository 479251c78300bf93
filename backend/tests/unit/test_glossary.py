"""The glossary speaks of names that are in the code, and of each term once."""

import re
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2]
GLOSSARY = BACKEND.parent / "docs" / "glossary.md"


def rows() -> list[list[str]]:
    lines = GLOSSARY.read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[0] != "term" and not row[0].startswith("---")]


@pytest.fixture(scope="module")
def source() -> str:
    return "\n".join(path.read_text() for path in (BACKEND / "src").rglob("*.py"))


def test_each_row_has_four_cells_and_a_term_of_its_own() -> None:
    assert len(rows()) > 50
    assert {len(row) for row in rows()} == {4}
    assert all(all(row) for row in rows())
    assert len({row[0] for row in rows()}) == len(rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_identifiers_are_in_the_code(row: list[str], source: str) -> None:
    identifiers = re.findall(r"`([^`]+)`", row[2])

    missing = [name for name in identifiers if name.rpartition(".")[2].strip("/") not in source]

    assert identifiers
    assert not missing
