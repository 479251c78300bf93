"""The broker as the compose files start it: closed to the outside, locked, and it forgets nothing."""

import json

import pytest

from tests.containers.engine import Engine
from tests.containers.stack import Container
from tests.containers.story import N_FRAMES, PASSWORD, Story

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_PING = "redis-cli -h redis {login} ping"


@pytest.fixture
def broker(story: Story) -> Container:
    return story.stack.containers["redis"]


def ask_from(story: Story, engine: Engine, network: str, login: str) -> str:
    """What a stranger's container on a network of the installation hears from the broker."""
    image = story.stack.definition.services["redis"].image
    command = ("sh", "-c", _PING.format(login=login) + " 2>&1 || true")
    return engine.podman("run", "--rm", "--network", story.stack.named(network), image, *command)


def test_nobody_reaches_the_broker_from_outside(story: Story, built: Engine, broker: Container) -> None:
    assert built.podman("port", broker.name) == ""
    assert "Could not connect" in ask_from(story, built, "default", f"-a {PASSWORD}")
    networks = json.loads(broker.inspect("{{json .NetworkSettings.Networks}}"))
    assert list(networks) == [story.stack.named("backplane")]
    route = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    done = broker.run("python3", "-c", route)
    assert done.returncode != 0
    assert "unreachable" in done.stderr, "its network leads nowhere"


def test_the_broker_wants_its_password(story: Story, built: Engine) -> None:
    assert "NOAUTH" in ask_from(story, built, "backplane", "")
    assert "WRONGPASS" in ask_from(story, built, "backplane", "-a wrong")
    assert ask_from(story, built, "backplane", f"--no-auth-warning -a {PASSWORD}") == "PONG"


def test_the_password_is_in_no_command_line(broker: Container) -> None:
    assert PASSWORD not in broker.execute("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")


def test_the_broker_keeps_everything_on_disk_and_evicts_nothing(broker: Container) -> None:
    values = [
        broker.execute("redis-cli", "config", "get", key).split()
        for key in ("appendonly", "maxmemory-policy")
    ]
    assert values == [["appendonly", "yes"], ["maxmemory-policy", "noeviction"]]


def test_a_killed_broker_comes_back_with_what_it_had(story: Story, broker: Container) -> None:
    job_id, prompts = story.annotate("killed broker")
    story.api.wait_until_amid(job_id)
    broker.execute("redis-cli", "rpush", "scene", "first", "second")
    broker.kill()
    assert story.api.job(job_id)["done"] < N_FRAMES
    broker.start()
    story.check_annotated_once(job_id, prompts)
    assert broker.execute("redis-cli", "lrange", "scene", "0", "-1").split() == ["first", "second"]
    assert story.api.search("a red shape").json()["hits"]
