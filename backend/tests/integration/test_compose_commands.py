"""What the compose files run inside containers, run here: the broker's command line and the health checks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import redis

from komadori.cli import embedded_broker
from tests.support.compose_files import BASE, GPU, services
from tests.support.workers import wait_until


def words(written: Sequence[str]) -> list[str]:
    """What a container gets of words that compose prints with its own $ doubled."""
    return [word.replace("$$", "$") for word in written]


class Broker:
    """The server as the compose file starts it; only its port, its address and its folder are others."""

    def __init__(self, folder: Path, password: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.service = services(BASE, KOMADORI_REDIS_PASSWORD=password)["redis"]
        programs, self.data, self.arguments = folder / "bin", folder / "data", folder / "arguments"
        programs.mkdir()
        self.data.mkdir()
        server = embedded_broker.find_server()
        _place(
            programs / "valkey-server",
            f'echo "$@" >{self.arguments}; exec {server} "$@" --port {self.port} --bind 127.0.0.1',
        )
        if client := shutil.which("valkey-cli") or shutil.which("redis-cli"):
            _place(programs / "valkey-cli", f'exec {client} -p {self.port} "$@"')
        self.has_client = client is not None
        self.environment = {**self.service["environment"], "PATH": f"{programs}:{os.environ['PATH']}"}

    def start(self) -> "subprocess.Popen[str]":
        """The process, which may end at once."""
        return subprocess.Popen(
            words(self.service["entrypoint"] + self.service["command"]),
            env=self.environment,
            cwd=self.data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """The process, ended by SIGTERM as the engine does it."""
        process = self.start()
        try:
            wait_until(lambda: self._listens() or process.poll() is not None, 30, "broker that listens")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)

    def client(self, password: str = "") -> "redis.Redis":
        return redis.Redis(port=self.port, password=password or None, decode_responses=True)

    def is_healthy(self) -> bool:
        """What the health check says."""
        check = words(self.service["healthcheck"]["test"])[1]
        return subprocess.run(["sh", "-c", check], env=self.environment, check=False).returncode == 0

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _place(at: Path, command: str) -> None:
    at.write_text(f"#!/bin/sh\n{command}\n")
    at.chmod(0o755)


PASSWORDS = ["", "s3cret_-"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_broker_writes_down_what_it_gets_and_drops_nothing(tmp_path: Path, password: str) -> None:
    broker = Broker(tmp_path, password)
    with broker.running() as process, broker.client(password) as client:
        wanted = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "databases")
        assert client.config_get(*wanted) == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": str(256 * 2**20),
            "maxmemory-policy": "noeviction",
            "databases": "1",
        }
        client.rpush("default", "a message")
    assert process.returncode == 0
    with broker.running(), broker.client(password) as client:
        assert client.lrange("default", 0, -1) == ["a message"]


def test_the_password_is_asked_for_and_stands_on_no_command_line(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "s3cret_-")
    with broker.running():
        for wrong in ("", "s3cret"):
            with broker.client(wrong) as client, pytest.raises(redis.AuthenticationError):
                client.ping()
        with broker.client("s3cret_-") as client:
            assert client.ping()
    assert "noeviction" in broker.arguments.read_text()
    assert "s3cret" not in broker.arguments.read_text()
    assert "s3cret" not in str(broker.service["command"])


@pytest.mark.parametrize("password", ["two words", 'quote"', "back\\slash", "at@sign", "new\nline"])
def test_a_password_that_no_url_can_carry_is_refused(tmp_path: Path, password: str) -> None:
    process = Broker(tmp_path, password).start()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 64
    assert said == "KOMADORI_REDIS_PASSWORD: use letters, digits, - and _ only.\n"


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_brokers_health_is_that_it_answers(tmp_path: Path, password: str) -> None:
    broker = Broker(tmp_path, password)
    if not broker.has_client:
        pytest.skip("the client, valkey-cli or redis-cli, is not here")
    with broker.running():
        assert broker.is_healthy()
    assert not broker.is_healthy()


@pytest.mark.parametrize("name", ["worker", "siglip-worker", "sam3-worker"])
def test_a_workers_health_is_the_age_of_its_heartbeat(tmp_path: Path, name: str) -> None:
    service = services(BASE, GPU)[name]
    assert service["environment"]["KOMADORI_HEARTBEAT"] == "/tmp/komadori.alive"
    heartbeat = tmp_path / "komadori.alive"

    def is_healthy() -> bool:
        check = words(service["healthcheck"]["test"])[1]
        environment = {**os.environ, "KOMADORI_HEARTBEAT": str(heartbeat)}
        return subprocess.run(["sh", "-c", check], env=environment, check=False).returncode == 0

    assert not is_healthy()
    heartbeat.touch()
    assert is_healthy()
    long_ago = time.time() - 90
    os.utime(heartbeat, (long_ago, long_ago))
    assert not is_healthy()


def test_the_apis_health_is_that_it_says_so() -> None:
    status = 200

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def is_healthy() -> bool:
        kind, check = services(BASE)["api"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        assert check.startswith("python -c")
        check = check.replace("python", sys.executable, 1).replace(":8000/", f":{server.server_port}/")
        done = subprocess.run(["sh", "-c", check], check=False, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert is_healthy()
        status = 503
        assert not is_healthy()
        server.shutdown()
    assert not is_healthy()
