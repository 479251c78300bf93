"""The doctor in each container of a running installation, on a machine without a card."""

import json

import pytest

from tests.containers.stack import JsonDict
from tests.containers.story import Story

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_ROLES = {"worker": "app", "siglip-worker": "siglip", "sam3-worker": "sam3"}
_QUEUES = {"worker": "default", "siglip-worker": "siglip", "sam3-worker": "sam3"}
_MODELS = {"siglip-worker": "embedder-run", "sam3-worker": "segmenter-run"}


def examine(story: Story, service: str, *options: str) -> tuple[int, dict[str, JsonDict]]:
    """What the doctor of a container finds: its exit status, and the findings by their names."""
    container = story.stack.containers[service]
    done = container.run(
        "python", "/opt/komadori/verify_gpu.py", "--role", _ROLES[service], "--json", *options
    )
    findings = json.loads(done.stdout)["checks"]
    return done.returncode, {finding["id"]: finding for finding in findings}


@pytest.mark.parametrize("service", sorted(_ROLES))
def test_every_container_is_well_without_a_card(story: Story, service: str) -> None:
    status, found = examine(story, service)
    failed = [finding for finding in found.values() if finding["status"] == "fail"]
    assert (status, failed) == (0, [])
    assert found["broker"]["status"] == "ok"
    assert found["database"]["status"] == "ok"
    assert found[f"queue-{_QUEUES[service]}"]["status"] == "ok", "a worker took the no-op"


@pytest.mark.parametrize("service", sorted(_MODELS))
def test_it_says_plainly_that_there_is_no_card_and_runs_the_model(story: Story, service: str) -> None:
    _, found = examine(story, service)
    assert found["gpu-device"]["status"] == "skip"
    assert "no NVIDIA GPU" in found["gpu-device"]["detail"]
    assert "docker-compose.cpu.yml" in found["gpu-device"]["remedy"]
    assert found["matmul-fp32"]["status"] == "ok"
    assert found[_MODELS[service]]["status"] == "ok", found[_MODELS[service]]


@pytest.mark.parametrize("service", sorted(_MODELS))
def test_it_fails_where_a_card_is_required(story: Story, service: str) -> None:
    status, found = examine(story, service, "--require-gpu")
    assert (status, found["gpu-device"]["status"]) == (1, "fail")
