"""What a container was given: a GPU, shared memory, memory. Needs the standard library only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from komadori.doctor.report import Check, Result, ok, skip, warn

ROOT = Path("/")
_GROUP = "Container"
_MARKS = (".dockerenv", "run/.containerenv")
_ENGINES = ("docker", "kubepods", "containerd", "libpod", "lxc")
_LITTLE_SHARED_BYTES = 256e6
_LITTLE_MEMORY_BYTES = 6e9
_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes a number near 2**63 where there is no limit."""

_SHARED = "/dev/shm"  # noqa: S108  (it is looked at, not written)
_NOTHING = ("", "void", "none")
_WANTED = ("compute", "utility")
_GPU_OVERLAY = "start it with docker/docker-compose.gpu.yml (`make up-gpu`)"


def is_inside(root: Path = ROOT) -> bool:
    """Whether this process runs in a container, by the marks that the engines leave."""
    if any((root / mark).exists() for mark in _MARKS):
        return True
    groups = _read(root / "proc/1/cgroup")
    return any(engine in groups for engine in _ENGINES)


def checks() -> list[Check]:
    """The checks of a container; outside of one they find nothing to look at."""
    return [
        Check("container-gpu", _GROUP, check_gpu_variables),
        Check("container-shm", _GROUP, check_shared_memory),
        Check("container-memory", _GROUP, check_memory),
    ]


def check_gpu_variables(_settings: Any, *, root: Path = ROOT) -> Result:
    """Whether NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES let the card and its libraries in."""
    if not is_inside(root):
        return skip("this is no container")
    visible = os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
    has_nodes = any((root / "dev").glob("nvidia[0-9]*"))
    if visible in _NOTHING:
        if has_nodes:
            return ok("the card was given as a device (CDI)")
        return skip("no GPU was asked for (NVIDIA_VISIBLE_DEVICES)", f"To have one, {_GPU_OVERLAY}.")
    given = os.environ.get("NVIDIA_DRIVER_CAPABILITIES", "")
    missing = [name for name in _WANTED if name not in given.split(",") and given != "all"]
    if missing:
        return warn(
            f"NVIDIA_DRIVER_CAPABILITIES={given} lacks {', '.join(missing)}",
            f"Set NVIDIA_DRIVER_CAPABILITIES={','.join(_WANTED)} for this service.",
        )
    return ok(f"NVIDIA_VISIBLE_DEVICES={visible}, NVIDIA_DRIVER_CAPABILITIES={given}")


def check_shared_memory(_settings: Any, *, root: Path = ROOT) -> Result:
    """Whether /dev/shm has room for batches that go from one process to another."""
    if not is_inside(root):
        return skip("this is no container")
    try:
        total = shutil.disk_usage(root / _SHARED.lstrip("/")).total
    except OSError as exc:
        return warn(f"{_SHARED} cannot be looked at: {exc.strerror}", "Mount a tmpfs there: `shm_size: 1gb`.")
    detail = f"{_SHARED} has {total / 1e9:.2g} GB"
    if total < _LITTLE_SHARED_BYTES:
        return warn(detail, "Give this service `shm_size: 1gb`, as docker/templates.yml does.")
    return ok(detail)


def check_memory(_settings: Any, *, root: Path = ROOT) -> Result:
    """Whether the memory limit of the control group lets a checkpoint be read."""
    limit = _memory_limit(root)
    if limit is None:
        return ok(f"no limit, {_available_memory(root) / 1e9:.3g} GB available")
    detail = f"limited to {limit / 1e9:.3g} GB"
    if limit < _LITTLE_MEMORY_BYTES:
        return warn(
            detail,
            "Raise the memory limit of this service to 6 GB: weights pass through memory on their way.",
        )
    return ok(detail)


def _memory_limit(root: Path) -> int | None:
    """The limit in bytes of the own control group (v2, else v1), or None."""
    for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        said = _read(root / name).strip()
        if said.isdigit():
            return int(said) if int(said) < _UNLIMITED_BYTES else None
    return None


def _available_memory(root: Path) -> float:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return float(line.split()[1]) * 1024
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
