"""The example file names each setting and compose variable once; with all comments taken away it is valid."""

import re
from pathlib import Path

import pytest
from scripts.write_docs import compose_variables

from komadori.settings import Settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def assignments() -> list[tuple[str, str]]:
    return re.findall(r"^#?([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)


def test_it_names_exactly_the_settings_and_the_variables_of_the_compose_files() -> None:
    settings = [f"KOMADORI_{field.upper()}" for field in Settings.model_fields]
    assert [name for name, _ in assignments()] == settings + [v.name for v in compose_variables()]


def test_it_sets_nothing_by_itself(tmp_path: Path) -> None:
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


def test_the_values_in_it_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    uncommented = tmp_path / ".env"
    uncommented.write_text("".join(f"{name}={value}\n" for name, value in assignments() if value))

    assert Settings(_env_file=uncommented) == Settings(_env_file=None)
