"""The first start on a machine without models and without a way out: workers wait, and lose nothing by it."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.containers import compose
from tests.containers.conftest import FILES, footage
from tests.containers.engine import Engine
from tests.containers.images import BASE
from tests.containers.stack import Container, Stack
from tests.containers.story import N_FRAMES, SETTINGS, TOKEN, Story
from tests.support import checkpoints

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_PORTS = (8101, 8102)
_MODELS = {"acme/siglip2-small": checkpoints.SIGLIP2.name, "acme/sam3-small": checkpoints.SAM3.name}
_WAITING = "waiting for model"
_WITH_MODEL = ("siglip-worker", "siglip-worker-2", "sam3-worker")
_QUEUES = ("siglip", "sam3")
_TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def newcomer(built: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """An installation whose models are on a hub that its CPU worker alone will reach, later."""
    siglip, sam3 = _MODELS
    ours = {
        "KOMADORI_EMBEDDER": siglip,
        "KOMADORI_SEGMENTER": sam3,
        "KOMADORI_HUB_URL": f"http://127.0.0.1:{_PORTS[0]}",
        "KOMADORI_PULL_MODELS": "false",
    }
    folder = footage(compose.clone(tmp_path_factory.mktemp("newcomer"), {**SETTINGS, **ours}))
    program = compose.find_program()
    assert program is not None
    stack = Stack(built, compose.read(program, folder, *FILES), "first")
    stack.prepare()
    for service in ("redis", "api", "worker", "siglip-worker", "sam3-worker"):
        stack.up(service)
    stack.up("siglip-worker", instance="-2")
    with closing(stack.api(TOKEN)) as api:
        yield Story(stack, api)
    stack.down()


def open_hub(stack: Stack) -> Container:
    """The hub, on the loopback of the worker that runs the downloads."""
    command = ("python3", "/tests/containers/hub_in_container.py", *map(str, _PORTS))
    models = (f"{model}=/tests/checkpoints/{name}" for model, name in _MODELS.items())
    hub = Container(stack.engine, stack.named("hub"))
    stack.engine.podman(
        *("run", "--detach", "--name", hub.name, "--network", f"container:{stack.containers['worker'].name}"),
        *("--volume", f"{_TESTS}:/tests:ro", BASE, *command, *models),
    )
    stack.containers["hub"] = hub
    return hub


def queue_lengths(stack: Stack) -> dict[str, int]:
    """How many messages wait for each queue, of all priorities."""
    lengths = {}
    for queue in _QUEUES:
        keys = (queue, f"{queue}:1")
        broker = stack.containers["redis"]
        lengths[queue] = sum(int(broker.execute("redis-cli", "llen", key)) for key in keys)
    return lengths


def test_workers_wait_for_their_models_and_begin_when_they_come(newcomer: Story) -> None:
    stack, api = newcomer.stack, newcomer.api
    api.wait_for_worker("siglip", _WAITING, n=2)
    api.wait_for_worker("sam3", _WAITING)
    ingested = newcomer.ingest()
    run_id, prompts = newcomer.annotate("first start")
    embed_id = ingested["children"][0]

    before = queue_lengths(stack)
    assert all(before.values())
    time.sleep(3)
    after = queue_lengths(stack)
    assert all(after[queue] >= before[queue] for queue in _QUEUES), "nobody takes anything"
    for job_id in (embed_id, run_id):
        job = api.job(job_id)
        assert (job["state"], job["done"]) == ("queued", 0)
        assert {chunk["attempts"] for chunk in job["chunks"]} == {0}
    assert all(stack.containers[name].is_healthy() for name in _WITH_MODEL)
    refused = api.search("a red shape")
    assert refused.status_code == 503
    assert "model" in refused.text
    started = {name: stack.containers[name].started() for name in _WITH_MODEL}

    hub = open_hub(stack)
    pulls = [api.post("/models/pulls", source=model) for model in _MODELS]
    assert [api.ended(pull["id"])["state"] for pull in pulls] == ["done", "done"]
    api.wait_for_worker("siglip", n=2)
    api.wait_for_worker("sam3")
    assert {name: stack.containers[name].started() for name in _WITH_MODEL} == started, "without a restart"

    embedded = api.ended(embed_id)
    assert (embedded["state"], embedded["done"]) == ("done", N_FRAMES)
    annotated = newcomer.check_annotated_once(run_id, prompts)
    assert {chunk["attempts"] for job in (embedded, annotated) for chunk in job["chunks"]} == {1}
    assert api.search("a red shape").json()["n_searched"] == N_FRAMES
    time.sleep(1)
    assert json.loads(hub.logs().splitlines()[-1]) == dict.fromkeys(_MODELS, 1), (
        "one download for two workers"
    )


@pytest.mark.parametrize(("service", "check"), [("siglip-worker", "embedder"), ("sam3-worker", "segmenter")])
def test_weights_load_from_the_volume_with_the_network_cut(newcomer: Story, service: str, check: str) -> None:
    """Comes after the test above, which brought the models."""
    done = newcomer.stack.run_alone(service, "doctor", "--role", service.partition("-")[0], "--json")
    found = {finding["id"]: finding for finding in json.loads(done.stdout)["checks"]}
    assert found[f"{check}-files"]["status"] == "ok", found[f"{check}-files"]
    assert found[f"{check}-run"]["status"] == "ok", found[f"{check}-run"]
