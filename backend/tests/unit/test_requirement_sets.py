"""The locked sets of the images hold what pyproject.toml asks for, exact and hashed, and no address."""

import os
import re
import stat
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scripts import lock_images
from scripts.build_ui import NODE_FROM_PYPI
from scripts.lock_images import BACKEND, BUILD, FOLDER, NODE, SETS, RequirementSet

from komadori.core.errors import DependencyError, InputError

_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^\s;]+)((?: --hash=sha256:[0-9a-f]{64})+)$")
_HOST = re.compile(r"\b[a-z0-9-]+\.(org|com|net|io|dev|cn)\b")
_ALL = [one.name for one in SETS] + [BUILD, NODE]
_GPU = [one for one in SETS if one.torch]


def _text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def _requirements(name: str) -> list[str]:
    """The logical lines of a set, without its comments."""
    lines = [line for line in _text(name).splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()


def _pins(name: str) -> dict[str, str]:
    matches = [_PIN.match(line) for line in _requirements(name)]
    return {match["name"]: match["version"] for match in matches if match}


def _project() -> dict[str, dict[str, list[str]]]:
    project: dict[str, dict[str, list[str]]] = tomllib.loads(
        (BACKEND / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    return project


def _wanted(one: RequirementSet) -> list[Requirement]:
    project = _project()
    texts = [*project["dependencies"]]
    for extra in one.extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts] + ([Requirement(one.torch)] if one.torch else [])


def test_there_is_one_file_for_each_set() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(_ALL)


@pytest.mark.parametrize("name", _ALL)
def test_every_package_is_pinned_exactly_and_hashed(name: str) -> None:
    lines = _requirements(name)
    assert lines
    assert [line for line in lines if not _PIN.match(line)] == []


@pytest.mark.parametrize("name", _ALL)
def test_no_address_stands_in_a_set(name: str) -> None:
    text = _text(name)
    assert [word for word in ("://", "--index", "--extra-index", "--find-links", " @ ") if word in text] == []
    assert _HOST.search(text) is None


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.name)
def test_a_set_satisfies_what_its_image_asks_for(one: RequirementSet) -> None:
    pins = _pins(one.name)
    missed = [
        str(requirement)
        for requirement in _wanted(one)
        if not requirement.specifier.contains(pins[canonicalize_name(requirement.name)], prereleases=True)
    ]
    assert missed == []


def test_the_wheel_is_built_by_what_pyproject_names() -> None:
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text(encoding="utf-8"))
    pins = _pins(BUILD)
    assert [f"hatchling=={pins['hatchling']}"] == project["build-system"]["requires"]


def test_the_web_ui_is_built_by_the_node_that_the_other_ways_of_building_it_take() -> None:
    (pin,) = _pins(NODE).items()
    assert "==".join(pin) in (BACKEND / "requirements" / "node.txt").read_text(encoding="utf-8").splitlines()
    wanted = Requirement(NODE_FROM_PYPI)
    assert (wanted.name, wanted.specifier.contains(pin[1])) == (pin[0], True)


@pytest.mark.parametrize("name", ["siglip-cu12", "sam3-cu12"])
def test_the_default_torch_runs_on_drivers_of_cuda_12(name: str) -> None:
    """torch 2.8 to 2.10 bring CUDA 12.8, 2.11 and later bring CUDA 13."""
    pins = _pins(name)
    assert (2, 8) <= tuple(int(part) for part in pins["torch"].split(".")[:2]) < (2, 11)
    assert pins["nvidia-cuda-runtime-cu12"].startswith("12.")


@pytest.mark.parametrize("name", ["siglip-cu13", "sam3-cu13"])
def test_the_newer_torch_brings_cuda_13(name: str) -> None:
    assert _pins(name)["nvidia-cuda-runtime"].startswith("13.")


@pytest.mark.parametrize("name", ["siglip-cpu", "sam3-cpu"])
def test_the_cpu_build_brings_no_cuda(name: str) -> None:
    pins = _pins(name)
    assert pins["torch"].endswith("+cpu")
    assert [package for package in pins if package.startswith(("nvidia-", "cuda-", "triton"))] == []


def test_the_api_and_the_cpu_worker_have_no_model_library() -> None:
    assert {"torch", "torchvision", "transformers", "openvino"} & _pins("app").keys() == set()


@pytest.mark.parametrize("one", _GPU, ids=lambda one: one.name)
def test_a_model_worker_has_no_decoder_and_its_own_transformers(one: RequirementSet) -> None:
    pins = _pins(one.name)
    assert {"av", "simplejpeg", "numkong"} & pins.keys() == set()
    assert {"transformers", "psycopg"} <= pins.keys()


@pytest.mark.parametrize("file", ["local.txt", "dev.txt", "node.txt"])
def test_the_sets_of_one_machine_are_exact_and_name_no_address(file: str) -> None:
    lines = (BACKEND / "requirements" / file).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith(("#", "-r local.txt"))]
    assert [pin for pin in pins if not re.match(r"^[a-z0-9-]+==[^\s@]+(; .+)?$", pin)] == []


def test_each_set_is_resolved_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = _stand_in_for_uv(tmp_path, monkeypatch)
    assert lock_images.main(["--cpu-wheels", "/wheels"]) == 0
    calls = log.read_text(encoding="utf-8").splitlines()
    assert len(calls) == len(_ALL)
    assert [re.findall(r"images/([a-z0-9-]+)\.txt", call) for call in calls] == [[name] for name in _ALL]
    assert [name for name, call in zip(_ALL, calls, strict=True) if "--find-links=/wheels" in call] == [
        "siglip-cpu",
        "sam3-cpu",
    ]


def test_versions_that_fit_are_kept_unless_newer_ones_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _stand_in_for_uv(tmp_path, monkeypatch)
    lock_images.main(["app"])
    lock_images.main(["--upgrade", "app"])
    kept, newest = log.read_text(encoding="utf-8").splitlines()
    assert "--upgrade" not in kept
    assert "--upgrade" in newest


def test_the_cpu_build_needs_to_be_told_where_its_wheel_is() -> None:
    with pytest.raises(InputError, match="siglip-cpu needs the CPU build of torch"):
        lock_images.lock(next(one for one in SETS if one.name == "siglip-cpu"), cpu_wheels=None)


def test_a_missing_resolver_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV", "/nowhere/uv")
    assert lock_images.main(["build"]) == 1
    assert "pip install uv" in capsys.readouterr().err


def test_an_unsatisfiable_set_says_what_the_resolver_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in_for_uv(tmp_path, monkeypatch, "echo 'no solution found' >&2; exit 1")
    with pytest.raises(DependencyError, match="set build, got from uv: no solution found"):
        lock_images.lock_build()


def test_an_unknown_set_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        lock_images.main(["sam4-cu12"])
    assert ended.value.code == 2
    assert "sam4-cu12" in capsys.readouterr().err


def _stand_in_for_uv(
    folder: Path, monkeypatch: pytest.MonkeyPatch, then: str = 'test -z "$UV_FIND_LINKS"'
) -> Path:
    """A program that notes how it was called, one line for each call, and resolves nothing."""
    log = folder / "calls"
    program = folder / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\n{then}\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("UV", os.fspath(program))
    monkeypatch.setenv("UV_FIND_LINKS", "/elsewhere")
    return log
