"""Options that take several values, written once or many times; and who is logged in."""

import getpass

import pytest

from komadori.cli.options import login_name, repeat_options

LISTS = {"--prompt", "--frame"}


@pytest.mark.parametrize(
    ("words", "repeated"),
    [
        (["--frame", "1", "2"], ["--frame", "1", "--frame", "2"]),
        (["--frame", "1", "--frame", "2"], ["--frame", "1", "--frame", "2"]),
        (
            ["--prompt", "red car", "dog", "--video", "3"],
            ["--prompt", "red car", "--prompt", "dog", "--video", "3"],
        ),
        (["--prompt", "-5", "a"], ["--prompt", "-5", "--prompt", "a"]),
        (["--video", "3", "stray"], ["--video", "3", "stray"]),
        (["--prompt"], ["--prompt"]),
        ([], []),
    ],
)
def test_each_value_gets_an_option_of_its_own(words: list[str], repeated: list[str]) -> None:
    assert repeat_options(words, LISTS) == repeated


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 4711"), OSError("No username set")])
def test_a_user_id_without_a_name_is_nobody(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert login_name() is None
