"""`komadori up` in real processes: what dies comes back, what is stopped is gone."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.cli import embedded_broker
from tests.support.running_up import (
    KOMADORI,
    PARTS,
    RunningUp,
    environment,
    free_port,
    processes_of,
    running_up,
    start_up,
    wait_until,
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    with running_up(tmp_path_factory.mktemp("up") / "home") as system:
        yield system


def _komadori(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KOMADORI, *words],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_says_where_it_listens_and_which_models_it_uses(up: RunningUp) -> None:
    said = up.said.read_text()

    assert f"api       listening on http://127.0.0.1:{up.port}" in said
    assert "siglip    ready: fake on cpu" in said
    assert "sam3      ready: fake on cpu" in said


def test_a_second_one_on_the_same_home_is_refused(up: RunningUp) -> None:
    second = _komadori("up", "--home", str(up.home), "--port", str(free_port()))

    assert second.returncode == 1
    assert second.stderr.startswith("home-in-use: ")
    assert f"process {up.process.pid}, {up.url}" in second.stderr


def test_a_port_that_is_taken_is_refused(up: RunningUp, tmp_path: Path) -> None:
    second = _komadori("up", "--home", str(tmp_path / "other"), "--port", str(up.port))

    assert second.returncode == 1
    assert second.stderr.startswith("port-in-use: ")


def test_the_broker_is_closed_to_other_users_and_to_the_network(up: RunningUp) -> None:
    sockets = list((up.home / "run").rglob("*.sock"))

    assert [oct(path.stat().st_mode & 0o777) for path in sockets] == ["0o700"]
    assert oct((up.home / "run" / "broker").stat().st_mode & 0o777) == "0o700"


def test_parts_that_are_killed_come_back(up: RunningUp) -> None:
    before = up.children()
    assert set(before) == set(PARTS)

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def are_back() -> bool:
        now = up.children()
        return set(now) == set(PARTS) and not set(now.values()) & set(before.values())

    wait_until(are_back, 30)
    killed_s = time.time()
    with up.client() as api:
        wait_until(api.is_ready, 60)
        wait_until(
            lambda: (
                {w.queue for w in api.workers() if w.seen_s > killed_s and w.state == "ready"}
                == {"default", "siglip", "sam3"}
            ),
            60,
        )
    for part in PARTS:
        assert f"{part:<9} died (signal SIGKILL); starting it again" in up.said.read_text()


def test_when_it_is_killed_its_children_die_with_it(tmp_path: Path) -> None:
    with running_up(tmp_path / "home") as own:
        assert len(processes_of(own.home)) >= len(PARTS)
        own.process.kill()
        own.process.wait()

        wait_until(lambda: processes_of(own.home) == [], 15)
        assert not embedded_broker.answers(own.home / "run" / "broker.sock")


def test_an_api_that_is_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    """Only one that ends by itself would end so each time."""
    own = start_up(tmp_path / "home")
    try:
        wait_until(lambda: "api" in own.children(), 60)
        os.kill(own.children()["api"], signal.SIGKILL)

        own.wait_ready()

        assert "api       died (signal SIGKILL)" in own.said.read_text()
    finally:
        own.stop()


def test_an_api_that_cannot_start_ends_it_with_the_reason(tmp_path: Path) -> None:
    """Without a token, other machines are not let in; no restart would change that."""
    refused = _komadori(
        "up", "--host", "0.0.0.0", "--port", str(free_port()), "--home", str(tmp_path / "home")
    )

    assert refused.returncode == 1
    assert refused.stderr.startswith("not-started: ")
    assert "KOMADORI_TOKEN" in refused.stderr
    assert processes_of(tmp_path / "home") == []


def test_stops_in_order_and_leaves_nothing(up: RunningUp) -> None:
    """The last one in this file: nothing runs after it."""
    status = up.stop()

    assert status == 0
    assert up.said.read_text().endswith("Stopped.\n")
    assert processes_of(up.home) == []
    assert not embedded_broker.answers(up.home / "run" / "broker.sock")
    assert not (up.home / "run" / "up.lock").exists()
