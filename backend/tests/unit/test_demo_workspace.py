"""The demo clears only a folder that it made itself."""

from pathlib import Path

import pytest

from komadori.cli.demo.workspace import claimed
from komadori.core.errors import ConflictError


def test_a_folder_of_an_earlier_demo_is_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with claimed(folder):
        (folder / "coco").mkdir()
        (folder / "coco" / "a.json").write_text("{}")
        (folder / "link").symlink_to(tmp_path)

    with claimed(folder):
        assert [path.name for path in folder.iterdir()] == [".komadori-demo"]
    assert tmp_path.is_dir()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(ConflictError) as refused, claimed(tmp_path):
        pass

    assert refused.value.code == "foreign-folder"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(ConflictError), claimed(tmp_path / "out"):
        pass

    assert (tmp_path / "out").read_text() == "a file"


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "out"), pytest.raises(ConflictError) as refused, claimed(tmp_path / "out"):
        pass

    assert refused.value.code == "demo-running"
