"""How checks are run, one for all of them: deadlines, what waits for what, and what is printed."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from komadori.core.errors import DependencyError, ModelError
from komadori.doctor import child, printing
from komadori.doctor.masking import Mask
from komadori.doctor.printing import Printer
from komadori.doctor.report import (
    Check,
    Finding,
    Result,
    Status,
    examine,
    fail,
    has_failed,
    ok,
    skip,
    verdict,
    warn,
)
from komadori.settings import Settings

_HUNG_IN_C = """
import ctypes
from komadori.doctor.report import Check, examine
findings = examine(None, [Check("hung", "a", lambda _: ctypes.CDLL(None).sleep(3600), 0.1)])
print(findings[0].result.detail)
"""


def _broken(_settings: object) -> Result:
    raise ZeroDivisionError("oops")


def _refused(_settings: object) -> Result:
    raise ModelError("Expected a model, got none.", hint="Pull it.")


def test_what_a_user_may_not_see_is_no_defect_of_the_check() -> None:
    def closed(_settings: object) -> Result:
        raise PermissionError(13, "Permission denied", "/models/.locks")

    (finding,) = examine(None, [Check("models", "a", closed)])

    assert finding.status is Status.FAIL
    assert "may not look at /models/.locks: Permission denied" in finding.result.detail
    assert "report" not in finding.result.remedy


def test_a_check_that_breaks_or_hangs_hides_no_other() -> None:
    never = threading.Event()

    def hang(_settings: object) -> Result:
        never.wait()
        return ok("never seen")

    checks = [
        Check("hang", "a", hang, deadline_s=0.05),
        Check("broken", "a", _broken),
        Check("refused", "a", _refused),
        Check("fine", "b", lambda _: ok("fine")),
    ]
    findings = examine(None, checks)
    never.set()

    assert [finding.status for finding in findings] == [Status.FAIL, Status.FAIL, Status.FAIL, Status.OK]
    assert findings[0].result.detail == "no answer within 0.05 s"
    assert findings[1].result.detail == "ZeroDivisionError: oops"
    assert findings[2].result == fail("Expected a model, got none.", "Pull it.")


def test_a_call_that_never_returns_does_not_hold_up_the_end_of_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", _HUNG_IN_C], capture_output=True, timeout=120, check=True)

    assert done.stdout.decode().strip() == "no answer within 0.1 s"


@pytest.mark.parametrize("library", ["CDLL", "PyDLL"])
def test_a_process_is_given_up_even_if_it_keeps_pythons_lock(library: str) -> None:
    code = f"import ctypes; ctypes.{library}(None).sleep(3600)"

    with pytest.raises(DependencyError) as caught:
        child.run([sys.executable, "-c", code], timeout_s=0.5)

    assert caught.value.code == "no-answer"


def test_a_process_that_outlives_its_kill_is_left_behind(tmp_path: Path) -> None:
    """One in a session of its own escapes, and keeps the pipes open as a call in the kernel would."""
    escaping = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 3600' & sleep 3600"

    with pytest.raises(DependencyError) as caught:
        child.run(["sh", "-c", escaping], timeout_s=2)

    assert caught.value.code == "no-answer"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # it had indeed escaped


def test_a_program_that_is_not_there_or_fails_is_told() -> None:
    with pytest.raises(DependencyError, match="no-such-program"):
        child.run(["no-such-program"], timeout_s=1)
    with pytest.raises(DependencyError, match="last words"):
        child.read_json(["sh", "-c", "echo first >&2; echo last words >&2; exit 3"], timeout_s=10)
    with pytest.raises(DependencyError, match="bye"):
        child.read_json(["sh", "-c", "echo '{}'; echo bye"], timeout_s=10)


def test_what_needs_a_check_that_did_not_end_well_is_not_looked_at() -> None:
    checks = [
        Check("card", "g", lambda _: fail("gone", "Buy one.")),
        Check("driver", "g", _broken, needs=("card",)),
        Check("torch", "g", _broken, needs=("driver",)),
        Check("disk", "g", lambda _: warn("full", "Empty it.")),
        Check("files", "g", lambda _: ok("fine"), needs=("disk", "not in this list")),
    ]

    findings = examine(None, checks)

    assert [finding.status.value for finding in findings] == ["fail", "skip", "skip", "warn", "ok"]
    assert [finding.result.detail for finding in findings[1:3]] == ["needs card", "needs card"]


def test_only_a_failure_stands_in_the_way() -> None:
    checks = [
        Check("a", "g", lambda _: ok("")),
        Check("b", "g", lambda _: warn("slow", "wait")),
        Check("c", "g", lambda _: skip("not here")),
    ]

    assert verdict(examine(None, checks)) == "1 ok, 1 warn, 1 skip. Nothing stands in the way."
    checks.append(Check("d", "g", lambda _: fail("gone", "find it")))
    assert verdict(examine(None, checks)) == "1 ok, 1 warn, 1 fail, 1 skip. Something cannot work."
    assert has_failed(examine(None, checks))


def test_findings_are_printed_in_groups_with_their_remedies() -> None:
    checks = [
        Check("disk", "Data", lambda _: fail("full\nfor long", "Free some space.")),
        Check("home", "Data", _broken, needs=("disk",)),
        Check("files", "Data", _broken, needs=("disk",)),
        Check("broker", "Running", lambda _: ok("answers")),
    ]
    stream = io.StringIO()
    printer = Printer(stream)

    printer.end(examine(None, checks, printer.show))

    assert stream.getvalue().splitlines() == [
        "",
        "Data",
        "  FAIL disk              full",
        "                         for long",
        "                         > Free some space.",
        "  skip home, files: need disk",
        "",
        "Running",
        "  ok   broker            answers",
        "",
        "1 ok, 1 fail, 2 skip. Something cannot work.",
    ]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_colours_and_lines_that_fit(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()

    Printer(terminal).show(Finding(Check("a", "g", _broken), warn("found " * 40, "do " * 90), 0.1))

    coloured = terminal.getvalue()
    assert "\x1b[33mwarn\x1b[0m" in coloured
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in coloured.split("\n")]
    assert max(map(len, plain[3:])) in range(columns - 8, columns + 1)


def test_a_person_sees_what_is_being_looked_at() -> None:
    terminal, file = _Terminal(), io.StringIO()
    short, long = (
        Check(f"{seconds} s", "Models", lambda _: ok("fine"), deadline_s=seconds) for seconds in (10, 210)
    )

    for stream in (terminal, file):
        printer = Printer(stream)
        examine(None, [short, long], printer.show, printer.begin)

    assert terminal.getvalue().startswith("  ...  10 s\r\x1b[2K\n")
    assert "  ...  210 s (at most 210 s)\r" in terminal.getvalue()
    assert "..." not in file.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = _Terminal()

    Printer(terminal).show(Finding(Check("a", "g", _broken), ok("fine"), 0.1))

    assert "\x1b[1m" not in terminal.getvalue()


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "pa/ss w0rd")
    settings = Settings(
        token="t0p-secret",
        database_url="postgresql://me:p@ss/word@db/komadori",
        broker_url="redis://:r3d1s@broker:6379/0",
        _env_file=None,
    )
    said = (
        "t0p-secret at postgresql://me:p@ss/word@db/komadori and p%40ss%2Fword, "
        "redis://:r3d1s@broker:6379/0, http://x/?token=abcdef&y=1, "
        "Authorization: Bearer eyJhbGciOi, hf_abcdefghijkl, pa/ss w0rd, pa%2Fss%20w0rd"
    )

    checks = [Check("leak", "g", lambda _: warn(said, said, urls=[said]))]
    printing.present(settings, checks, as_json=True)

    printed = capsys.readouterr().out
    (finding,) = json.loads(printed)["checks"]
    assert finding["detail"] == (
        "*** at postgresql://me:***@db/komadori and ***, redis://:***@broker:6379/0, "
        "http://x/?token=***&y=1, Authorization: Bearer ***, ***, ***, ***"
    )
    for secret in ("t0p", "word", "r3d1s", "abcdef", "eyJ", "w0rd"):
        assert secret not in printed


def test_ordinary_words_are_not_taken_for_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setenv("A_TOKEN", "x")

    assert (
        Mask.of(None)("it is true at http://127.0.0.1:8000/a@b, x")
        == "it is true at http://127.0.0.1:8000/a@b, x"
    )


def test_json_has_a_finding_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check("disk", "Data", lambda _: ok("much", free=12)), Check("home", "Data", _refused)]

    printing.present(None, checks, as_json=True)

    def named(name: str, group: str) -> dict[str, Any]:
        return {"id": name, "group": group, "remedy": "", "facts": {}, "ms": 0}

    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [dict(finding, ms=0) for finding in report["checks"]] == [
        {**named("disk", "Data"), "status": "ok", "detail": "much", "facts": {"free": 12}},
        {
            **named("home", "Data"),
            "status": "fail",
            "detail": "Expected a model, got none.",
            "remedy": "Pull it.",
        },
    ]
