"""A machine that lends its card: its worker reaches a published Redis and PostgreSQL, and a shared folder."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.containers import compose, images
from tests.containers.compose import Definition
from tests.containers.conftest import FILES, footage
from tests.containers.engine import Engine
from tests.containers.images import BASE, Builder
from tests.containers.stack import Container, Stack
from tests.containers.story import PASSWORD, SETTINGS, TOKEN, Story

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_USER = 10001
_NOWHERE = "192.0.2.1"
_REACHES = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


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


@pytest.fixture(scope="module")
def other_clone(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project on the other machine; its settings name the addresses once they are known."""
    return compose.clone(tmp_path_factory.mktemp("lender"), _joining(shared, _NOWHERE, "6379", "5432"))


@pytest.fixture(scope="module")
def lender(built: Engine, other_clone: Path) -> Stack:
    """The network of the other machine, and a stranger on it; its worker comes later."""
    stack = Stack(built, read(other_clone, "docker-compose.join.yml"), "lender")
    stack.prepare()
    stranger = Container(built, stack.named("stranger"))
    network = ("--network", stack.named("default"))
    built.podman("run", "--detach", "--init", "--name", stranger.name, *network, BASE, "sleep", "infinity")
    stack.containers["stranger"] = stranger
    return stack


@pytest.fixture(scope="module")
def borrower(
    builder: Builder, lender: Stack, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """An installation on PostgreSQL without a SAM 3 worker; it publishes on the other's network alone."""
    template = "{{range .Subnets}}{{.Gateway}}{{end}}"
    gateway = builder.engine.podman("network", "inspect", "--format", template, lender.named("default"))
    ours = {
        "KOMADORI_DATA_FOLDER": str(shared),
        "KOMADORI_POSTGRES_PASSWORD": PASSWORD,
        "KOMADORI_REMOTE_BIND": gateway,
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
    lender.down()


def test_a_borrowed_worker_does_the_job(
    borrower: Story, lender: Stack, other_clone: Path, shared: Path
) -> None:
    host, redis_port = borrower.stack.containers["redis"].published(6379).split(":")
    _, postgres_port = borrower.stack.containers["postgres"].published(5432).split(":")
    compose.write_settings(other_clone, _joining(shared, host, redis_port, postgres_port))
    lender.definition = read(other_clone, "docker-compose.join.yml")
    lender.up("sam3-worker")
    borrower.api.wait_for_worker("sam3")

    borrower.ingest()
    job_id, prompts = borrower.annotate("borrowed")
    job = borrower.check_annotated_once(job_id, prompts)
    assert {chunk["attempts"] for chunk in job["chunks"]} == {1}


def test_the_other_machine_reaches_nothing_else(borrower: Story, lender: Stack) -> None:
    stranger = lender.containers["stranger"]
    host, port = borrower.stack.containers["redis"].published(6379).split(":")
    assert stranger.run("python3", "-c", _REACHES, host, port).returncode == 0
    _, api_port = borrower.stack.containers["api"].published(8000).split(":")
    assert stranger.run("python3", "-c", _REACHES, host, api_port).returncode != 0, "loopback only"
    assert stranger.run("python3", "-c", _REACHES, "redis", "6379").returncode != 0, (
        "no name of the backplane"
    )


def _joining(shared: Path, host: str, redis_port: str, postgres_port: str) -> dict[str, str]:
    """The settings of the machine that lends."""
    return {
        **SETTINGS,
        "KOMADORI_DEVICE": "cpu",
        "KOMADORI_DATA_FOLDER": str(shared),
        "KOMADORI_BROKER_URL": f"redis://:{PASSWORD}@{host}:{redis_port}/0",
        "KOMADORI_DATABASE_URL": f"postgresql+psycopg://komadori:{PASSWORD}@{host}:{postgres_port}/komadori",
    }
