"""What pip is told on this machine, carried into a build: its indexes, folders and certificates.

An image is built wherever its author's pip works: with a mirror, with a folder of wheels, behind a
proxy with a certificate authority of its own. None of that may stay in the image, so it is mounted.
"""

import ast
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCOPES = ("global", "install", ":env:")
"""Of pip's settings; the later ones win."""

_PLACES = ("find-links", "extra-index-url", "index-url")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def mounts(folder: Path) -> list[str]:
    """Arguments for ``buildah build``; the folder takes a ``pip.conf`` with this machine's settings."""
    settings = _settings()
    for name in ("cert", "constraint"):  # what is installed is locked, so no constraint can change it
        settings.pop(name, None)
    binds: list[tuple[Path, str]] = []
    if _CERTIFICATES.exists():
        settings["cert"] = str(_CERTIFICATES)
        binds.append((_CERTIFICATES, str(_CERTIFICATES)))
    configuration = folder / "pip.conf"
    lines = "".join(f"{key} = {' '.join(value.split())}\n" for key, value in sorted(settings.items()))
    configuration.write_text(f"[global]\n{lines}")
    binds.append((configuration, "/etc/pip.conf"))
    binds += [(place, str(place)) for place in _local_places(settings)]
    return [part for source, target in binds for part in ("--volume", f"{source}:{target}:ro")]


def _settings() -> dict[str, str]:
    """pip's settings from its files and from the environment."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    by_scope: dict[str, dict[str, str]] = {scope: {} for scope in _SCOPES}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        scope, _, name = key.rpartition(".")
        if scope in by_scope and name != "config-file":
            by_scope[scope][name] = str(ast.literal_eval(value))
    return {name: value for scope in _SCOPES for name, value in by_scope[scope].items()}


def _local_places(settings: dict[str, str]) -> list[Path]:
    """The folders of this machine that pip looks for packages in."""
    places = (Path(_path_of(place)) for key in _PLACES for place in settings.get(key, "").split())
    return sorted({_mountable(place) for place in places if place.is_absolute() and place.exists()})


def _path_of(place: str) -> str:
    return unquote(urlsplit(place).path) if place.startswith("file://") else place


def _mountable(place: Path) -> Path:
    """An index in ``NAME/simple`` may point at files beside itself."""
    return place.parent if place.name == "simple" else place
