"""A checkpoint in training can be read at any time."""

from pathlib import Path

import pytest
from scripts.demo_training.checkpoint_files import replace_files


def test_new_files_replace_old_ones_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("old")
    (tmp_path / "history.jsonl").write_text("{}")

    with replace_files(tmp_path) as scratch:
        (scratch / "config.json").write_text("new")
        (scratch / "model.safetensors").write_text("weights")
        assert (tmp_path / "config.json").read_text() == "old"

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "config.json": "new",
        "history.jsonl": "{}",
        "model.safetensors": "weights",
    }


def test_nothing_changes_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("old")

    with pytest.raises(FileNotFoundError), replace_files(tmp_path) as scratch:
        (scratch / "missing" / "config.json").write_text("new")

    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == "old"
