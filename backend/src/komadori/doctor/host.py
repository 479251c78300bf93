"""The checks of a host that runs the containers. Needs the standard library only."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from komadori.doctor import child, container, folders, nvidia
from komadori.doctor.container import ROOT
from komadori.doctor.report import Check, Result, fail, ok, skip, warn

OLDEST_COMPOSE = (2, 24, 0)
"""Docker Compose with which our files work: ``env_file`` with ``required: false`` came with it."""

_GROUP = "Host"
_ANSWER_S = 15.0
_LITTLE_DISK_BYTES = 30e9
_NO_DISK_BYTES = 5e9
_CDI_FOLDERS = ("etc/cdi", "var/run/cdi")
_CHOICES = ("KOMADORI_SIGLIP_GPU", "KOMADORI_SAM3_GPU")
_SLICE = re.compile(r"MIG-.+|\d+:\d+")
"""A part of a card, by its UUID or by the numbers of the card and of the part."""

_CHOICE = re.compile(r"^\s*(?:export\s+)?(KOMADORI_\w+_GPU)\s*=\s*[\"']?([^\"'#\s]*)")

_INSTALL_DOCKER = "Install Docker Engine, as docs.docker.com/engine/install says for your system."
_INSTALL_TOOLKIT = (
    "Install NVIDIA's container toolkit from its package repository: `sudo apt install "
    "nvidia-container-toolkit`, then `sudo nvidia-ctk runtime configure --runtime=docker && "
    "sudo systemctl restart docker`."
)


def checks(*, require_gpu: bool = False) -> list[Check]:
    """All that a host can be asked with the standard library: the cards, then what runs containers."""
    engine = lru_cache(maxsize=1)(_engine)
    driver = nvidia.ask_once()
    choice = partial(check_choice, folder=Path.cwd(), driver=driver)
    within_s = _ANSWER_S + 5
    runtime = partial(check_runtime, engine=engine)
    return [
        Check("system", _GROUP, check_system),
        Check("docker", _GROUP, partial(check_docker, engine=engine), within_s),
        Check("compose", _GROUP, check_compose, within_s),
        Check("docker-disk", _GROUP, partial(check_disk, engine=engine), needs=("docker",)),
        *nvidia.checks(require_gpu=require_gpu, driver=driver),
        Check("gpu-choice", nvidia.GROUP, choice, needs=("gpu-cards",)),
        Check("gpu-toolkit", nvidia.GROUP, check_toolkit, within_s, ("gpu-device",)),
        Check("gpu-runtime", nvidia.GROUP, runtime, within_s, ("gpu-device", "gpu-toolkit", "docker")),
    ]


def check_system(_settings: Any, *, root: Path = ROOT) -> Result:
    """The system, its kernel and the interpreter."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', _read(root / "etc/os-release"), re.MULTILINE))
    name = release.get("PRETTY_NAME", platform.system())
    return ok(
        f"{name}, kernel {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    )


def check_docker(_settings: Any, *, engine: Callable[[], dict[str, Any]]) -> Result:
    """Whether Docker is installed, its engine runs, and this user may ask it."""
    if shutil.which("docker") is None and container.is_inside():
        return skip("this is a container; run verify_gpu.py on the host")
    if shutil.which("docker") is None:
        return skip("docker is not installed", f"{_INSTALL_DOCKER} Without it, `make local` runs everything.")
    found = engine()
    errors = found.get("ServerErrors") or []
    if not errors:
        return ok(f"Docker Engine {found['ServerVersion']}, {found.get('OperatingSystem', 'Linux')}")
    said = str(errors[0])
    if "permission denied" in said.lower():
        return fail(
            "this user may not talk to the engine",
            "Join its group, then log in again: `sudo usermod -aG docker $USER`.",
        )
    return fail(said, "Start it: `sudo systemctl start docker`.")


def check_compose(_settings: Any) -> Result:
    """Whether Docker Compose is there and new enough for our files (2.24)."""
    if shutil.which("docker") is None:
        return skip("docker is not installed")
    output = child.run(["docker", "compose", "version", "--short"], _ANSWER_S)
    version = _version(output.out)
    wanted = nvidia.dotted(OLDEST_COMPOSE[:2])
    if output.status or version is None:
        return fail(
            f"docker compose is not installed, or does not run (exit status {output.status})",
            "Install it: `sudo apt install docker-compose-plugin` (docker-compose-v2 on Ubuntu).",
        )
    said = nvidia.dotted(version)
    if version < OLDEST_COMPOSE:
        return fail(
            f"docker compose {said} is too old for the compose files, which need {wanted}",
            "Bring it up to date: `sudo apt install --only-upgrade docker-compose-plugin`.",
        )
    return ok(f"docker compose {said}")


def check_toolkit(_settings: Any) -> Result:
    """Whether NVIDIA's container toolkit is installed and can reach the driver."""
    if shutil.which("nvidia-ctk") is None and container.is_inside():
        return skip("this is a container; run verify_gpu.py on the host")
    if shutil.which("nvidia-ctk") is None and shutil.which("docker") is None:
        return skip("docker is not installed: no container is to be given a card")
    if shutil.which("nvidia-ctk") is None:
        return fail("nvidia-ctk, NVIDIA's container toolkit, is not installed", _INSTALL_TOOLKIT)
    said = child.run(["nvidia-ctk", "--version"], _ANSWER_S)
    version = _version(said.out)
    detail = f"nvidia-ctk {'.'.join(str(part) for part in version)}" if version else said.last_line
    if shutil.which("nvidia-container-cli") is None:
        return ok(detail)
    info = child.run(["nvidia-container-cli", "info"], _ANSWER_S)
    if info.status:
        return fail(f"{detail}, but nvidia-container-cli says: {info.last_line}", _INSTALL_TOOLKIT)
    return ok(f"{detail}, nvidia-container-cli reaches the driver")


def check_runtime(_settings: Any, *, engine: Callable[[], dict[str, Any]], root: Path = ROOT) -> Result:
    """Whether Docker gives cards to containers: by the runtime ``nvidia``, or by CDI."""
    found = engine()
    if "nvidia" in (found.get("Runtimes") or {}):
        return ok("Docker has the runtime nvidia")
    discovered = [str(device.get("ID", "")) for device in found.get("DiscoveredDevices") or []]
    if any(name.startswith("nvidia.com/gpu") for name in discovered):
        return ok(f"Docker knows {', '.join(discovered)} by CDI")
    specs = [spec for folder in _CDI_FOLDERS for spec in (root / folder).glob("*nvidia*")]
    if specs and found.get("CDISpecDirs"):
        return ok(f"Docker reads {', '.join(str(spec) for spec in specs)} (CDI)")
    return fail(
        "Docker has neither the runtime nvidia nor a CDI description of the cards",
        "`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`.",
    )


def check_disk(_settings: Any, *, engine: Callable[[], dict[str, Any]]) -> Result:
    """Whether there is room where Docker keeps images: those for GPUs take many gigabytes each."""
    folder = Path(engine().get("DockerRootDir") or "/var/lib/docker")
    free = shutil.disk_usage(folders.nearest(folder)).free
    detail = f"{free / 1e9:.3g} GB free in {folder}"
    remedy = (
        f"Make room for images and models, about {_LITTLE_DISK_BYTES / 1e9:.0f} GB: `docker system prune`."
    )
    if free < _NO_DISK_BYTES:
        return fail(detail, remedy)
    return ok(detail) if free >= _LITTLE_DISK_BYTES else warn(detail, remedy)


def check_choice(_settings: Any, *, folder: Path, driver: Callable[[], nvidia.Driver]) -> Result:
    """Whether KOMADORI_SIGLIP_GPU and KOMADORI_SAM3_GPU name cards that exist."""
    cards = driver().cards
    known = {str(card.index) for card in cards} | {card.uuid for card in cards if card.uuid} | {"all"}
    chosen = _choices(folder)
    has_slices = any(card.has_mig for card in cards)
    wrong = {
        name: ids
        for name, ids in chosen.items()
        if not all(one in known or (has_slices and _SLICE.fullmatch(one)) for one in ids)
    }
    if wrong:
        name, ids = next(iter(wrong.items()))
        return fail(
            f"{name}={','.join(ids)}, but there is {', '.join(str(card.index) for card in cards)}",
            f"Correct {name} in .env: numbers or UUIDs of `nvidia-smi -L`, separated by commas.",
        )
    return ok(", ".join(f"{name}={','.join(ids)}" for name, ids in chosen.items()))


def _choices(folder: Path) -> dict[str, list[str]]:
    """The cards of each GPU worker: of the environment, else of ``.env``, else card 0."""
    values = dict.fromkeys(_CHOICES, "0")
    for found in filter(None, map(_CHOICE.match, _read(folder / ".env").splitlines())):
        values.update({found[1]: found[2]} if found[1] in values and found[2] else {})
    values.update({name: os.environ[name] for name in _CHOICES if os.environ.get(name)})
    return {name: [part.strip() for part in value.split(",")] for name, value in values.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _engine() -> dict[str, Any]:
    """What ``docker info`` says, with its errors under "ServerErrors"."""
    output = child.run(["docker", "info", "--format", "{{json .}}"], _ANSWER_S)
    try:
        facts: dict[str, Any] = json.loads(output.out)
    except ValueError:
        facts = {}
    if not facts.get("ServerVersion") and not facts.get("ServerErrors"):
        facts["ServerErrors"] = [output.last_line]
    return facts


def _version(text: str) -> tuple[int, int, int] | None:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
