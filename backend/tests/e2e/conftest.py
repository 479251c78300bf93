"""One system from the installed wheel for all tests in the browser; each has a project of its own in it."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from komadori import demo_models
from komadori.demo_world.footage import write_footage
from tests.support import stepping_segmenter
from tests.support.browser import Tab, chromium, tab_of
from tests.support.coloured import write_shapes
from tests.support.installed import Installation, install_wheel
from tests.support.running_up import RunningUp, running_up

OpenTab = Callable[..., Tab]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install_wheel(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def system(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """Komadori with the demo's models."""
    settings = {
        "KOMADORI_EMBEDDER": str(demo_models.path("siglip2-demo")),
        "KOMADORI_SEGMENTER": str(demo_models.path("sam3-demo")),
        "KOMADORI_OFFLINE": "true",
        "PATH": installation.path,
    }
    home = tmp_path_factory.mktemp("up") / "home"
    with running_up(home, settings, komadori=installation.komadori) as up:
        yield up


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a file ``held`` holds up the system of colours."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="session")
def colours(
    installation: Installation, gate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningUp]:
    """Komadori with models that see colours, to the pixel."""
    settings = {
        "KOMADORI_SEGMENTER": f"stepping:{gate}",
        "KOMADORI_OFFLINE": "true",
        "PATH": installation.path,
        "PYTHONPATH": stepping_segmenter.install(tmp_path_factory.mktemp("packages")),
    }
    home = tmp_path_factory.mktemp("colours") / "home"
    with running_up(home, settings, komadori=installation.komadori) as up:
        yield up


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def project() -> str:
    return f"project {next(_numbers)}"


@pytest.fixture(scope="module")
def module_project() -> str:
    """A project that the tests of a module share."""
    return f"project {next(_numbers)}"


@pytest.fixture
def tab(browser: Browser, system: RunningUp, project: str) -> Iterator[Tab]:
    """A tab of the test's project, in which nothing may go wrong."""
    with tab_of(browser, system.url, project) as opened:
        yield opened
        assert opened.errors == []
        assert opened.foreign == []


@pytest.fixture
def coloured(browser: Browser, colours: RunningUp, project: str) -> Iterator[Tab]:
    """Like ``tab``, in the system of colours."""
    with tab_of(browser, colours.url, project) as opened:
        yield opened
        assert opened.errors == []
        assert opened.foreign == []


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of coloured shapes."""
    path = tmp_path_factory.mktemp("shapes") / "shapes.mp4"
    write_shapes(path)
    return path


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated video of 12 seconds, with things that the demo's models know."""
    path = tmp_path_factory.mktemp("footage") / "street.mp4"
    write_footage(path, seed=7, n_frames=144)
    return path
