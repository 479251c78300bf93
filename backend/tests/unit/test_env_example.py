"""The example file names every setting once, and a copy of it with all comments taken away is valid."""

import re
from pathlib import Path

import pytest

from komadori.settings import Settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def assignments() -> list[tuple[str, str]]:
    return re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)


def test_it_names_exactly_the_settings() -> None:
    assert [name for name, _ in assignments()] == [
        f"KOMADORI_{field.upper()}" for field in Settings.model_fields
    ]


def test_it_sets_nothing_by_itself(tmp_path: Path) -> None:
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


def test_the_values_in_it_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    uncommented = tmp_path / ".env"
    uncommented.write_text("".join(f"{name}={value}\n" for name, value in assignments() if value))

    assert Settings(_env_file=uncommented) == Settings(_env_file=None)
