"""Settings are written into a file that people write in too."""

from pathlib import Path

import pytest

from komadori.core.errors import InputError, StorageError
from komadori.doctor.env_file import write_settings
from komadori.settings import Settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"
BATCH = {"KOMADORI_EMBED_BATCH": "64"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "KOMADORI_EMBED_BATCH=64\n"),
        ("# mine\nHF_TOKEN=x", "# mine\nHF_TOKEN=x\nKOMADORI_EMBED_BATCH=64\n"),
        ("A=1\nKOMADORI_EMBED_BATCH=8\nB=2\n", "A=1\nKOMADORI_EMBED_BATCH=64\nB=2\n"),
        ("export KOMADORI_EMBED_BATCH = 8\n", "export KOMADORI_EMBED_BATCH=64\n"),
        (
            "KOMADORI_EMBED_BATCH=1\nKOMADORI_EMBED_BATCH=2\n",
            "KOMADORI_EMBED_BATCH=1\nKOMADORI_EMBED_BATCH=64\n",
        ),
        ("#KOMADORI_EMBED_BATCH=\n# next\n", "#KOMADORI_EMBED_BATCH=\nKOMADORI_EMBED_BATCH=64\n# next\n"),
        ("KOMADORI_EMBED_BATCHES=1\r\n", "KOMADORI_EMBED_BATCHES=1\r\nKOMADORI_EMBED_BATCH=64\r\n"),
    ],
)
def test_only_the_line_of_the_setting_changes(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(before.encode())

    write_settings(file, BATCH)
    write_settings(file, BATCH)

    assert file.read_bytes() == after.encode()


def test_what_is_written_is_what_the_settings_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(EXAMPLE.read_bytes())

    write_settings(file, BATCH)

    assert Settings(_env_file=file) == Settings(_env_file=None, embed_batch=64)
    assert len(file.read_text().splitlines()) == len(EXAMPLE.read_text().splitlines()) + 1


def test_a_new_file_is_closed_to_others_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.touch(0o640)
    old.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(old)

    write_settings(new, BATCH)
    write_settings(link, BATCH)

    assert (new.stat().st_mode & 0o777, old.stat().st_mode & 0o777) == (0o600, 0o640)
    assert link.is_symlink()
    assert old.read_text() == "KOMADORI_EMBED_BATCH=64\n"


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"NAME=\xff\xfe\n")

    write_settings(file, BATCH)

    assert file.read_bytes() == b"NAME=\xff\xfe\nKOMADORI_EMBED_BATCH=64\n"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_settings(tmp_path, BATCH)
    with pytest.raises(InputError):
        write_settings(tmp_path / ".env", {"KOMADORI_TOKEN": "two words"})
    with pytest.raises(StorageError):
        write_settings(tmp_path / "nowhere" / ".env", BATCH)
    assert not list(tmp_path.iterdir())
