"""Exit status and errors of the command line, without a running Komadori."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import komadori
from komadori.cli import main as program
from komadori.cli.configuration import read_settings
from komadori.cli.main import main
from tests.support.running_up import free_port


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOMADORI_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("KOMADORI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"komadori {komadori.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["frames"],
        ["videos", "--no-such-option"],
        ["search"],
        ["search", "words", "--like", "1"],
        ["add", "a.mp4", "--every", "2", "--fps", "3"],
        ["add", "a.mp4", "--keyframes", "--all-frames"],
        ["annotate"],
        ["annotate", "--prompt", "cat", "--top", "3"],
        ["annotate", "--prompt", "cat", "--frame", "1", "--video", "2"],
        ["annotate", "--prompt", "cat", "--score-threshold", "2"],
        ["export", "out", "--format", "no-such-format"],
        ["export", "out", "--format", "coco", "--status", "rejected"],
        ["worker", "gpu"],
    ],
)
def test_misuse_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words", [["videos"], ["jobs"], ["search", "a"], ["add", "a.mp4"], ["annotate", "--prompt", "a"]]
)
def test_without_the_api_each_command_says_how_to_start_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1

    err = capsys.readouterr().err
    assert err.startswith("api-unreachable: Nothing answers at http://127.0.0.1:")
    assert "`komadori up`" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--debug", "videos"], ["videos", "--debug"]])
def test_debug_adds_the_traceback_wherever_it_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "api-unreachable: " in err


def test_a_defect_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_words: object, **_options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(program, "app", break_down)

    assert main(["videos"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("internal-error: ZeroDivisionError: division by zero\n")
    assert "--debug" in err


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("KOMADORI_THREADS", "many", "bad-setting"),
        ("KOMADORI_URL", "ftp://example.org", "bad-url"),
        ("KOMADORI_URL", "localhost:8000", "bad-url"),
        ("KOMADORI_URL", "http://[::1", "bad-url"),
        ("KOMADORI_URL", "http://127.0.0.1:99999", "bad-url"),
        ("KOMADORI_HOME", "~nobody-of-that-name/x", "bad-setting"),
        ("KOMADORI_LEASE_S", "inf", "bad-setting"),
        ("KOMADORI_QUERY_TIMEOUT_S", "nan", "bad-setting"),
        ("KOMADORI_DECODE_WORKERS", "1000000", "bad-setting"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    assert main(["videos"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{code}: ")
    assert name in err
    assert value in err


def test_a_wrong_token_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOMADORI_TOKEN", "sécret")

    assert main(["--debug", "videos"]) == 2
    err = capsys.readouterr().err
    assert "bad-setting: The setting KOMADORI_TOKEN cannot be used" in err
    assert "cret" not in err


def test_an_empty_setting_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOMADORI_HOME", "")
    monkeypatch.setenv("KOMADORI_EMBEDDER", "")

    settings = read_settings()

    assert settings.home.name == "komadori"
    assert settings.embedder == "google/siglip2-base-patch16-224"


@pytest.mark.parametrize(
    "words",
    [
        ["search", "\udcff"],
        ["add", "\udcff.mp4"],
        ["annotate", "--prompt", "\udcff"],
        ["add", "a.mp4", "--every", "nan"],
        ["add", "a.mp4", "--every", "inf"],
    ],
)
def test_what_json_cannot_hold_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1

    assert capsys.readouterr().err.startswith("bad-request: What was given cannot be sent: ")


def test_a_database_that_is_none_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "komadori.db").write_bytes(b"no database" * 1000)

    assert main(["up"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("database-damaged: ")
    assert "file is not a database" in said


def test_models_are_listed_without_a_running_komadori(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0

    listed = json.loads(capsys.readouterr().out)
    assert {(model["name"], model["state"]) for model in listed} >= {
        ("siglip2-base", "missing"),
        ("sam3", "missing"),
    }
    assert set(listed[0]) == {
        "name", "model_id", "revision", "state", "size_bytes", "licence", "is_gated", "path"
    }  # fmt: skip


def test_the_list_of_models_says_which_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("sam3 ")).split()[-1] == "segmenter"
    assert next(line for line in lines if line.startswith("siglip2-base ")).split()[-1] == "embedder"


def test_a_pull_without_a_network_fails_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOMADORI_OFFLINE", "true")

    assert main(["models", "pull", "siglip2-base"]) == 1
    assert capsys.readouterr().err.startswith("model-not-pulled: ")


def test_the_installed_program_answers() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("komadori"), "--help"], capture_output=True, text=True, check=True
    )

    assert "labelled dataset" in done.stdout


def test_the_client_commands_load_no_heavy_module() -> None:
    code = (
        "import sys, komadori.cli.main;"
        "print([m for m in ('torch', 'av', 'sqlalchemy', 'celery', 'fastapi') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
