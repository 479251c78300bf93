"""Names processes, so that others can tell when one is gone that owns a chunk or a temporary file.

A process is named by the running kernel, its process-id namespace, its id and its start
time. On the same machine that answers at once and without doubt whether it still lives;
on another machine only time can tell.
"""

import os
from functools import cache
from pathlib import Path


def own_name() -> str:
    """The name of this process."""
    return f"{_namespace()}/{os.getpid()}/{_start_time(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the process of that name is certainly no longer there."""
    parts = owner.rsplit("/", 2)
    if len(parts) != 3 or parts[0] != _namespace() or not parts[1].isdigit():
        return False
    return _start_time(int(parts[1])) != parts[2]


def as_file_name(owner: str) -> str:
    """The name of a process in the form of a file name."""
    return owner.replace("/", "_")


def from_file_name(name: str) -> str:
    """The reverse of :func:`as_file_name`."""
    return name.replace("_", "/")


def is_here(owner: str) -> bool:
    """Whether it names a process of this machine, living or not."""
    return owner.rsplit("/", 2)[0] == _namespace()


@cache
def _namespace() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"unknown:{os.uname().nodename}"


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
