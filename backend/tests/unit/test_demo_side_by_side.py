"""Programs that run side by side: their lines, their failures, and what an interrupt leaves of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts.demo_training.side_by_side import python, run_side_by_side

from komadori.core.errors import ModelError

BACKEND = Path(__file__).parents[2]
SLEEPER = "import os, time; print(os.getpid()); time.sleep(120)"

OUTER = f"""
import signal
from pathlib import Path
from scripts.demo_training.side_by_side import python, run_side_by_side, terminated_as_interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
sleeper = python("-c", "{SLEEPER}")
try:
    with terminated_as_interrupted():
        run_side_by_side({{"a": sleeper, "b": sleeper}}, Path("LOGS"), Path("."))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_lines_come_with_the_name_in_front_and_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"one": python("-c", "print('first')"), "three": python("-c", "print('second')")}

    run_side_by_side(commands, tmp_path / "logs", tmp_path)

    assert sorted(capsys.readouterr().out.splitlines()) == ["one   | first", "three | second"]
    assert (tmp_path / "logs" / "three.log").read_text() == "second\n"


@pytest.mark.parametrize(
    "end", ["raise SystemExit('no such thing')", "import os; print('no such thing'); os.abort()"]
)
def test_a_failure_ends_the_others_and_tells_the_last_lines(tmp_path: Path, end: str) -> None:
    commands = {"good": python("-c", SLEEPER), "bad": python("-c", end)}

    with pytest.raises(ModelError, match="no such thing") as problem:
        run_side_by_side(commands, tmp_path, tmp_path)

    assert "The training of bad ended" in problem.value.message
    assert str(tmp_path / "bad.log") in problem.value.hint
    assert not _is_alive(int((tmp_path / "good.log").read_text() or "0"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    outer = subprocess.Popen(
        [sys.executable, "-c", OUTER.replace("LOGS", str(tmp_path))],
        cwd=BACKEND,
        stdout=subprocess.PIPE,
        text=True,
    )
    with outer:
        assert outer.stdout is not None
        inner = [int(outer.stdout.readline().split()[-1]) for _ in range(2)]
        outer.send_signal(number)
        rest, _ = outer.communicate(timeout=60)

    assert rest == "interrupted\n"
    assert not any(_is_alive(pid) for pid in inner)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; it may be there for a moment after its parent has seen it end."""
    for _ in range(50):
        try:
            if pid == 0 or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return False
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True
