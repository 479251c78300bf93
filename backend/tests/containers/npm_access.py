"""What npm is told on this machine, carried into a build, as :mod:`.pip_access` does for pip."""

import os
from pathlib import Path

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_IN_THE_IMAGE = "/root/.npmrc"
_MACHINES_OWN = ("cache", "cafile", "nodedir", "prefix")
"""Paths that mean nothing inside an image; the certificates are mounted for pip already."""


def mounts(folder: Path) -> list[str]:
    """Arguments for ``buildah build``; the folder takes an ``.npmrc`` with this machine's settings."""
    own = Path(os.environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in _MACHINES_OWN]
    if registry := os.environ.get("NPM_CONFIG_REGISTRY"):
        kept.append(f"registry={registry}")
    if _CERTIFICATES.exists():
        kept.append(f"cafile={_CERTIFICATES}")
    configuration = folder / "npmrc"
    configuration.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return ["--volume", f"{configuration}:{_IN_THE_IMAGE}:ro"]
