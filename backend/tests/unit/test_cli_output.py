"""How the command line writes times, sizes and numbers, and that JSON is all there is on stdout."""

import json

import pytest

from komadori.cli import output
from komadori.core.errors import InputError


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0:00:00.000"),
        (2.5, "0:00:02.500"),
        (59.9996, "0:01:00.000"),
        (3723.004, "1:02:03.004"),
        (360000.0, "100:00:00.000"),
        (-0.04, "-0:00:00.040"),
        (-0.0001, "0:00:00.000"),
    ],
)
def test_a_time_in_a_video_has_hours_minutes_and_milliseconds(seconds: float, shown: str) -> None:
    assert output.clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (185.0, "3 min 5 s"), (7800.0, "2 h 10 min")],
)
def test_a_duration_is_as_exact_as_it_is_long(seconds: float, shown: str) -> None:
    assert output.span(seconds) == shown


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_600, "1 MB"), (3.45e9, "3.45 GB")],
)
def test_a_size_has_the_unit_that_reads_best(n_bytes: float, shown: str) -> None:
    assert output.size(n_bytes) == shown


def test_one_thing_is_singular() -> None:
    assert (output.count(1, "frame"), output.count(1200, "frame")) == ("1 frame", "1,200 frames")


def test_json_keeps_letters_of_every_script(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json([{"name": "公園.mp4"}])

    out = capsys.readouterr().out
    assert json.loads(out) == [{"name": "公園.mp4"}]
    assert "公園" in out


def test_an_error_shows_code_message_and_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.error(InputError("The file [a] is empty.", hint="Give another.", code="empty-file"))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "empty-file: The file [a] is empty.\n  Give another.\n"


def test_lines_are_not_folded_when_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    output.line("word " * 100)

    assert capsys.readouterr().out == "word " * 100 + "\n"


def test_columns_are_aligned_and_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([">N", "NAME"], [["1", "[red]a[/red]"], ["10", "b"]])

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [" N  NAME", " 1  [red]a[/red]", "10  b"]
