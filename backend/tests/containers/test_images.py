"""The three images: what each has and has not, who it runs as, and what a change rebuilds."""

import re
import shutil
from pathlib import Path

import pytest

from tests.containers import compose
from tests.containers.compose import Definition
from tests.containers.conftest import FILES
from tests.containers.engine import Engine, ProgramError
from tests.containers.images import Builder

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

_HAS = {
    "api": {"komadori", "av", "fastapi"},
    "siglip-worker": {"komadori", "torch", "transformers"},
    "sam3-worker": {"komadori", "torch", "transformers"},
}
_HAS_NOT = {"api": {"torch", "transformers", "openvino"}, "siglip-worker": {"av"}, "sam3-worker": {"av"}}
_FOUND = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n)))"
_WRITES = """
import pathlib, komadori
code = pathlib.Path(komadori.__file__).parent
places = ("/", "/etc", "/opt/komadori", code, "/data", "/models", "/exports", "/tmp")
for place in places:
    try:
        (pathlib.Path(place) / "probe").write_text("x")
        print(place)
    except OSError:
        pass
"""
_READS = """
from komadori import demo_models
print(*(name for name in demo_models.names() if (demo_models.path(name) / "model.safetensors").read_bytes()))
"""
_SHOWS = """
import pathlib, komadori
static = pathlib.Path(komadori.__file__).parent / "api" / "static"
print(*(name for name in ("THIRD_PARTY_LICENSES.md", "index.html") if (static / name).is_file()))
"""
_MAX_LAYERS_OF_CODE = 4


@pytest.fixture
def another_clone(clone: Path, tmp_path: Path) -> Path:
    """A copy of the clone that the images were built from, to change something in."""
    return shutil.copytree(clone, tmp_path / "clone")


def read(folder: Path) -> Definition:
    program = compose.find_program()
    assert program is not None
    return compose.read(program, folder, *FILES)


def python_in(engine: Engine, definition: Definition, service: str, *arguments: str) -> str:
    """What Python prints in a container that has what the files give the service, but no network."""
    wanted = definition.services[service]
    options = ["--rm", "--network", "none", "--entrypoint", "python", *wanted.arguments_alone(engine.name)]
    return engine.podman("run", *options, wanted.image, *arguments)


@pytest.mark.parametrize("service", sorted(_HAS))
def test_an_image_has_what_its_queue_needs_and_nothing_of_the_others(
    built: Engine, definition: Definition, service: str
) -> None:
    asked = sorted(_HAS[service] | _HAS_NOT[service])
    assert set(python_in(built, definition, service, "-c", _FOUND, *asked).split()) == _HAS[service]


def test_the_web_ui_is_in_the_image_of_the_api_alone(built: Engine, definition: Definition) -> None:
    for service in _HAS:
        told = python_in(built, definition, service, "-c", _SHOWS)
        assert told.split() == (["THIRD_PARTY_LICENSES.md", "index.html"] if service == "api" else [])


def test_the_demo_models_are_in_the_images_and_can_be_read(built: Engine, definition: Definition) -> None:
    for service in ("siglip-worker", "sam3-worker"):
        assert python_in(built, definition, service, "-c", _READS).split() == ["sam3-demo", "siglip2-demo"]


@pytest.mark.parametrize("service", sorted(_HAS))
def test_nobody_can_write_to_the_code_or_become_root(
    built: Engine, definition: Definition, service: str
) -> None:
    writable = python_in(built, definition, service, "-c", _WRITES).split()
    exports = ["/exports"] if service == "api" else []
    assert writable == ["/data", "/models", *exports, "/tmp"]
    ids = python_in(built, definition, service, "-c", "import os; print(os.getuid(), os.getgid())")
    assert ids == "10001 10001"
    status = python_in(built, definition, service, "-c", "print(open('/proc/self/status').read())")
    assert re.search(r"^CapBnd:\s*0+$", status, re.MULTILINE), "no capability is left"
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE)


def test_another_set_for_sam3_does_not_touch_the_other_images(
    builder: Builder, built: Engine, definition: Definition, another_clone: Path
) -> None:
    """The changed set has wrong hashes: so it shows as well that what does not match is not installed."""
    locked = another_clone / "backend" / "requirements" / "images" / "sam3-cpu.txt"
    first, separator, others = locked.read_text().partition("    # via")
    locked.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", first) + separator + others)
    changed = read(another_clone).services

    with pytest.raises(ProgramError, match="DO NOT MATCH THE HASHES"):
        builder.build(changed["sam3-worker"], tag="komadori-changed")
    for service in ("api", "siglip-worker"):
        builder.build(changed[service], tag="komadori-changed")
        assert built.image_id("komadori-changed") == built.image_id(definition.services[service].image)


def test_a_change_of_the_code_rebuilds_the_last_layers_only(
    builder: Builder, built: Engine, definition: Definition, another_clone: Path
) -> None:
    with (another_clone / "backend" / "src" / "komadori" / "__init__.py").open("a") as code:
        code.write("\n# one line more\n")
    changed = read(another_clone).services["siglip-worker"]
    written = builder.build(changed, tag="komadori-changed")

    before, after = built.layers(definition.services["siglip-worker"].image), built.layers("komadori-changed")
    assert before != after
    kept = [layer for layer, other in zip(before, after, strict=True) if layer == other]
    assert before[: len(kept)] == kept, "the kept layers are the lowest"
    assert len(before) - len(kept) <= _MAX_LAYERS_OF_CODE
    assert re.search(r"--require-hashes [^\n]*requirements\.txt\n(?:[^\n]*\n)?--> Using cache", written)
