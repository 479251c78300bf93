"""What the compose files say, as the real compose reads them, and as podman runs it.

podman's own compose understands less than the real one, so the real one resolves the files (overlays,
variables, ``.env``) into one definition, and each service of it becomes one ``podman run``.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_PROGRAMS = (ROOT / ".venv" / "bin" / "docker-compose", "docker-compose")
_BACKEND_PARTS = ("src", "requirements", "scripts")
_UI = "frontend"
_LEAVE_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache")

_TRANSLATED = frozenset(
    {"build", "cap_drop", "command", "entrypoint", "environment", "extra_hosts", "healthcheck", "image"}
    | {"init", "mem_limit", "memswap_limit", "networks", "pids_limit", "ports", "read_only", "restart"}
    | {"security_opt", "shm_size", "stop_signal", "tmpfs", "user", "volumes", "working_dir"}
)
_WITHOUT_MEANING_HERE = frozenset({"depends_on", "deploy", "logging", "profiles", "stop_grace_period"})
"""The order of starts, cards, and what only the real engine does."""


def find_program() -> str | None:
    """The real compose, or None; the one of Python, with the same name, is no judge of these files."""
    for candidate in _PROGRAMS:
        path = shutil.which(str(candidate))
        if path is None:
            continue
        version = subprocess.run([path, "version", "--short"], check=False, capture_output=True, text=True)
        if version.returncode == 0 and version.stdout.strip().lstrip("v").startswith("2."):
            return path
    return None


def clone(folder: Path, settings: Mapping[str, str]) -> Path:
    """A copy of what a user has who cloned the project and wrote these settings into ``.env``."""
    shutil.copytree(ROOT / "docker", folder / "docker")
    backend = folder / "backend"
    backend.mkdir()
    for file in (ROOT / "backend").iterdir():
        if file.is_file():
            shutil.copy2(file, backend)
    for part in _BACKEND_PARTS:
        shutil.copytree(ROOT / "backend" / part, backend / part, ignore=_LEAVE_OUT)
    shutil.copytree(ROOT / _UI, folder / _UI, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "media").mkdir()
    write_settings(folder, settings)
    return folder


def write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Write the ``.env`` of a clone."""
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the resolved definition."""

    name: str
    raw: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The image that it runs."""
        return str(self.raw["image"])

    @property
    def build(self) -> Mapping[str, Any]:
        """Context, Dockerfile and arguments of the image."""
        build: Mapping[str, Any] = self.raw["build"]
        return build

    @property
    def networks(self) -> list[str]:
        """The networks that it joins, the first one first: its ports are published there."""
        joined = self.raw.get("networks") or {"default": None}
        return sorted(joined, key=lambda name: -(joined[name] or {}).get("priority", 0))

    @property
    def command(self) -> list[str]:
        """What follows the image's entry point; empty for the image's own command."""
        return list(self.raw.get("command") or [])

    def __post_init__(self) -> None:
        """Nothing that the files say may be passed over in silence."""
        unknown = set(self.raw) - _TRANSLATED - _WITHOUT_MEANING_HERE
        assert not unknown, f"{self.name} has {sorted(unknown)}, which these scenes cannot give to podman"

    def arguments(self, rename: Callable[[str], str]) -> list[str]:
        """The arguments of ``podman run`` before the image; ``rename`` names networks and volumes."""
        return [
            *self.arguments_alone(rename),
            *(["--restart", self.raw["restart"]] if self.raw.get("restart") else []),
            *(part for network in self.networks for part in self._network(rename(network))),
            *(part for port in self.raw.get("ports", ()) for part in _port(port)),
            *(part for host in self.raw.get("extra_hosts", ()) for part in _host(host)),
            *(["--entrypoint", json.dumps(self.raw["entrypoint"])] if self.raw.get("entrypoint") else []),
        ]

    def arguments_alone(self, rename: Callable[[str], str]) -> list[str]:
        """The same for a container that reaches nobody and runs one command to its end."""
        return [
            *self._limits(),
            *self._protection(),
            *(part for key, value in self._environment() for part in ("--env", f"{key}={value}")),
            *(part for volume in self.raw.get("volumes", ()) for part in _volume(volume, rename)),
            *self._health(),
        ]

    def _environment(self) -> Iterator[tuple[str, str]]:
        for key, value in (self.raw.get("environment") or {}).items():
            if value is not None:
                yield key, str(value)

    def _network(self, network: str) -> list[str]:
        return ["--network", f"{network}:alias={self.name}"]

    def _limits(self) -> list[str]:
        pairs = {
            "--memory": self.raw.get("mem_limit"),
            "--memory-swap": self.raw.get("memswap_limit"),
            "--shm-size": self.raw.get("shm_size"),
            "--pids-limit": self.raw.get("pids_limit"),
            "--user": self.raw.get("user"),
            "--workdir": self.raw.get("working_dir"),
            "--stop-signal": self.raw.get("stop_signal"),
        }
        return [part for option, value in pairs.items() if value for part in (option, str(value))]

    def _protection(self) -> list[str]:
        return [
            *(["--read-only", "--read-only-tmpfs=false"] if self.raw.get("read_only") else []),
            *(["--init"] if self.raw.get("init") else []),
            *(part for place in self.raw.get("tmpfs", ()) for part in ("--tmpfs", _tmpfs(place))),
            *(part for right in self.raw.get("cap_drop", ()) for part in ("--cap-drop", right)),
            *(
                part
                for option in self.raw.get("security_opt", ())
                for part in ("--security-opt", _option(option))
            ),
        ]

    def _health(self) -> list[str]:
        check = self.raw.get("healthcheck")
        if not check or not check.get("test"):
            return []
        kind, *words = check["test"]
        command = " ".join(words) if kind == "CMD-SHELL" else shlex.join(words)
        return ["--health-cmd", command, "--health-interval", "disable"]


@dataclass(frozen=True, slots=True)
class Definition:
    """Everything that the files define together."""

    services: Mapping[str, Service]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Sequence[str]


def read(program: str, root: Path, *files: str, profile: str = "") -> Definition:
    """The definition that those files of ``docker/`` make together with the clone's ``.env``.

    Raises:
        AssertionError: compose refuses the files; the message says why.
    """
    named = [part for file in files for part in ("--file", str(root / "docker" / file))]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KOMADORI_", "COMPOSE_"))}
    options = [*named, "--env-file", str(root / ".env"), "--profile", profile]
    done = subprocess.run(
        [program, *options, "config", "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
        env=clean,
    )
    assert done.returncode == 0, done.stderr
    raw = _unescaped(json.loads(done.stdout))
    return Definition(
        services={name: Service(name, service) for name, service in raw["services"].items()},
        networks={name: network or {} for name, network in raw.get("networks", {}).items()},
        volumes=sorted(raw.get("volumes", {})),
    )


def _unescaped(value: Any) -> Any:
    """What compose prints can be read by compose again, so it writes ``$$`` where ``$`` is meant."""
    if isinstance(value, dict):
        return {key: _unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def _option(option: str) -> str:
    return option.replace(":", "=", 1) if option.startswith("no-new-privileges:") else option


def _volume(volume: Mapping[str, Any], rename: Callable[[str], str]) -> list[str]:
    kind, target = volume["type"], volume["target"]
    if kind == "tmpfs":
        return ["--tmpfs", target]
    source = rename(volume["source"]) if kind == "volume" else volume["source"]
    mode = ":ro" if volume.get("read_only") else ""
    return ["--volume", f"{source}:{target}{mode}"]


def _host(host: str) -> list[str]:
    """The address of the machine itself is left out: podman 4.3 does not know it, and no scene uses it."""
    if host.endswith("host-gateway"):
        return []
    return ["--add-host", host.replace("=", ":", 1)]


def _tmpfs(place: str) -> str:
    """podman knows no owner of these: they take the mode that the folder has in the image."""
    target, _, options = place.partition(":")
    values = dict(option.partition("=")[::2] for option in options.split(","))
    if values.pop("uid", None) is not None:
        values.pop("gid", None)
    return f"{target}:{','.join(f'{key}={value}' for key, value in values.items())}"


def _port(port: Mapping[str, Any]) -> list[str]:
    """The address that the files publish on, with a port that is free."""
    return ["--publish", f"{port.get('host_ip', '')}::{port['target']}"]
