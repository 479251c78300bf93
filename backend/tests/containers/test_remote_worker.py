"""A machine that lends its card: its workers reach what is published for them, and a shared folder."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers import compose, images
from tests.containers.compose import Definition
from tests.containers.conftest import FILES, footage
from tests.containers.engine import Engine
from tests.containers.images import BASE, Builder
from tests.containers.stack import Container, Stack
from tests.containers.story import N_FRAMES, PASSWORD, SETTINGS, TOKEN, Story

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_USER = 10001
_NOWHERE = "192.0.2.1:1"
_REACHES = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
_PINGS = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3) as broker:
    broker.sendall(b"PING\\r\\n")
    print(broker.recv(100))
"""
_ASKS = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def read(root: Path, *files: str) -> Definition:
    program = compose.find_program()
    assert program is not None
    return compose.read(program, root, *files, profile="postgres")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder, as both machines mount it."""
    folder = tmp_path_factory.mktemp("shared")
    os.chown(folder, _USER, _USER)
    return folder


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the borrower publishes, as ``host:port``."""

    api: str = _NOWHERE
    redis: str = _NOWHERE
    postgres: str = _NOWHERE

    def settings(self, shared: Path) -> dict[str, str]:
        """The settings of the machine that lends."""
        return {
            **SETTINGS,
            "KOMADORI_DEVICE": "cpu",
            "KOMADORI_DATA_FOLDER": str(shared),
            "KOMADORI_URL": f"http://{self.api}",
            "KOMADORI_BROKER_URL": f"redis://:{PASSWORD}@{self.redis}/0",
            "KOMADORI_DATABASE_URL": f"postgresql+psycopg://komadori:{PASSWORD}@{self.postgres}/komadori",
        }


@dataclass(slots=True)
class Lender:
    """The machine that lends its card: a network, a stranger on it, and later its workers."""

    clone: Path
    stack: Stack

    @property
    def gateway(self) -> str:
        """The address of the borrower as this machine sees it."""
        template = "{{range .Subnets}}{{.Gateway}}{{end}}"
        network = self.stack.named("default")
        return self.stack.engine.podman("network", "inspect", "--format", template, network)

    def join(self, settings: dict[str, str]) -> None:
        """Start the workers with these settings."""
        compose.write_settings(self.clone, settings)
        self.stack.definition = read(self.clone, "docker-compose.join.yml")
        for service in ("siglip-worker", "sam3-worker"):
            self.stack.up(service)

    def reaches(self, host: str, port: str | int) -> bool:
        """Whether a stranger on its network can connect."""
        stranger = self.stack.containers["stranger"]
        return stranger.run("python3", "-c", _REACHES, host, str(port)).returncode == 0


@pytest.fixture(scope="module")
def lender(built: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """The other machine without its workers."""
    clone = compose.clone(tmp_path_factory.mktemp("lender"), Addresses().settings(shared))
    stack = Stack(built, read(clone, "docker-compose.join.yml"), "lender")
    stack.prepare()
    stranger = Container(built, stack.named("stranger"))
    network = ("--network", stack.named("default"))
    built.podman("run", "--detach", "--init", "--name", stranger.name, *network, BASE, "sleep", "infinity")
    stack.containers["stranger"] = stranger
    yield Lender(clone, stack)
    stack.down()


@pytest.fixture(scope="module")
def borrower(
    builder: Builder, lender: Lender, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """An installation on PostgreSQL without a model of its own; what it publishes is for the lender."""
    ours = {
        "KOMADORI_DATA_FOLDER": str(shared),
        "KOMADORI_POSTGRES_PASSWORD": PASSWORD,
        "KOMADORI_REMOTE_BIND": lender.gateway,
    }
    folder = footage(compose.clone(tmp_path_factory.mktemp("borrower"), {**SETTINGS, **ours}))
    stack = Stack(builder.engine, read(folder, *FILES, "docker-compose.remote.yml"), "borrower")
    images.postgres(builder, stack.definition.services["postgres"].image)
    stack.prepare()
    for service in ("redis", "postgres", "api", "worker"):
        stack.up(service)
    with closing(stack.api(TOKEN)) as api:
        yield Story(stack, api)
    stack.down()


@pytest.fixture(scope="module")
def addresses(borrower: Story, lender: Lender) -> Addresses:
    """What the borrower publishes for the lender."""
    places = {"api": 8000, "redis": 6379, "postgres": 5432}
    containers = borrower.stack.containers
    return Addresses(
        **{name: containers[name].published(port, lender.gateway) for name, port in places.items()}
    )


def test_borrowed_workers_do_the_jobs(
    borrower: Story, lender: Lender, addresses: Addresses, shared: Path
) -> None:
    lender.join(addresses.settings(shared))
    for queue in ("siglip", "sam3"):
        borrower.api.wait_for_worker(queue)
    borrower.add_clip()
    assert borrower.api.search("a red shape").json()["n_searched"] == N_FRAMES
    job_id, prompts = borrower.annotate("borrowed")
    borrower.check_annotated_once(job_id, prompts)


def test_the_other_machine_reaches_what_is_published_and_nothing_else(
    borrower: Story, lender: Lender, addresses: Addresses
) -> None:
    for address in (addresses.api, addresses.redis, addresses.postgres):
        assert lender.reaches(*address.split(":"))
    assert not lender.reaches("redis", 6379), "no name of the backplane"
    _, port_for_people = borrower.stack.containers["api"].published(8000).split(":")
    assert not lender.reaches(lender.gateway, port_for_people), "that is for this machine alone"


def test_what_is_published_wants_a_password(addresses: Addresses, lender: Lender) -> None:
    stranger = lender.stack.containers["stranger"]
    asked = stranger.run("python3", "-c", _ASKS, f"http://{addresses.api}/api/v1/videos")
    assert asked.stdout.strip() == "401"
    heard = stranger.run("python3", "-c", _PINGS, *addresses.redis.split(":"))
    assert "NOAUTH" in heard.stdout
