"""Builds the images once and keeps one installation running for the scenes that share it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.containers import compose, engine, images
from tests.containers.compose import Definition
from tests.containers.engine import Engine
from tests.containers.images import Builder
from tests.containers.stack import Stack
from tests.containers.story import N_FRAMES, SETTINGS, TOKEN, Story
from tests.support.clips import ffmpeg

FILES = ("docker-compose.yml", "docker-compose.cpu.yml")
_OURS = ("api", "siglip-worker", "sam3-worker")
_figures: list[str] = []


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """What builds; all that runs on it is gone in the end."""
    missing = engine.why_missing()
    if missing is None and compose.find_program() is None:
        missing = "the real docker-compose is not in .venv; make test-containers fetches it"
    if missing is not None:
        pytest.skip(missing)
    with engine.open_engine(engine.cache_folder()) as running:
        yield Builder(running, tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has after cloning, with the settings of the scenes and a clip among the footage."""
    return footage(compose.clone(tmp_path_factory.mktemp("clone"), SETTINGS))


@pytest.fixture(scope="session")
def definition(clone: Path) -> Definition:
    """The services as the compose files define them for a machine without a card."""
    program = compose.find_program()
    assert program is not None
    return compose.read(program, clone, *FILES)


@pytest.fixture(scope="session")
def built(builder: Builder, definition: Definition) -> Engine:
    """The engine with Komadori's three images and a broker of Debian in place of the real one."""
    _timed("base", builder.base)
    for name in _OURS:
        service = definition.services[name]
        _timed(f"build of {service.image}", partial(builder.build, service))
        _figures.append(f"size of {service.image}: {builder.engine.size_mb(service.image)} MB, unpacked")
    images.broker(builder, definition.services["redis"].image)
    return builder.engine


@pytest.fixture(scope="session")
def installation(built: Engine, definition: Definition) -> Iterator[Stack]:
    """Broker, API and all workers, running."""
    stack = Stack(built, definition, "main")
    stack.prepare()
    for service in ("redis", "api", "worker", "siglip-worker", "sam3-worker"):
        stack.up(service)
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def told(installation: Stack) -> Iterator[Story]:
    """The installation after the clip came in: frames and vectors are there."""
    with closing(installation.api(TOKEN)) as api:
        story = Story(installation, api)
        _timed("from a started engine to searchable frames", story.add_clip)
        yield story


@pytest.fixture
def story(told: Story) -> Story:
    """The same with every worker ready, whatever the scene before did."""
    told.bring_back()
    return told


def footage(folder: Path) -> Path:
    """The clone with a clip among its footage."""
    clip = folder / "media" / "shapes.mp4"
    source = ("-f", "lavfi", "-i", f"testsrc2=s=160x120:r=10:d={N_FRAMES / 10}")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", str(clip))
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    if _figures:
        terminalreporter.section("containers")
        for line in _figures:
            terminalreporter.write_line(line)


def _timed(what: str, step: Callable[[], object]) -> None:
    begin = time.monotonic()
    step()
    _figures.append(f"{what}: {time.monotonic() - begin:.0f} s")
