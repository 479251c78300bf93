"""The demo's own Komadori goes on until somebody stops it, or until it ends."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from komadori.cli.child_process import ChildProcess
from komadori.cli.client import ApiClient
from komadori.cli.demo.system import DemoSystem
from tests.support.running_up import wait_until


@pytest.fixture
def child(tmp_path: Path) -> ChildProcess:
    return ChildProcess("up", [sys.executable, "-c", "input()"], dict(os.environ), tmp_path / "up.log")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_not_the_system(child: ChildProcess, number: signal.Signals) -> None:
    child.command = ["sleep", "60"]
    child.start()
    before = signal.getsignal(number)
    telling = threading.Timer(0.0, _send_once_handled, (number, before))
    telling.start()
    with ApiClient("http://127.0.0.1:9") as api:
        DemoSystem(api, child).wait()
    telling.join()
    assert child.is_running
    assert signal.getsignal(number) == before
    child.kill()
    wait_until(child.has_stopped, 10)


@pytest.mark.timeout(30)
def test_a_system_that_ends_by_itself_ends_the_wait(child: ChildProcess) -> None:
    child.start()
    with ApiClient("http://127.0.0.1:9") as api:
        DemoSystem(api, child).wait()
    assert not child.is_running


def _send_once_handled(number: signal.Signals, before: object) -> None:
    wait_until(lambda: signal.getsignal(number) != before, 10)
    os.kill(os.getpid(), number)
