"""What a decoding child does first: give up everything that it does not need."""

import ctypes
import json
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from komadori.core.errors import KomadoriError
from komadori.core.types import JsonDict
from komadori.media.landlock import restrict_files

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_LEAST_ROOM_BYTES = 32 * 2**20
"""Of address space that must be left under the limit; no video decodes in less."""

_SYSTEM_FILES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/self", "/dev/null", "/dev/urandom")
"""What libraries look at when they are loaded late, besides those of Python; none of it is anybody's own."""


def send(message: Mapping[str, object]) -> None:
    """Give one message to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def serve(work: Callable[[JsonDict], JsonDict]) -> None:
    """Read the request, confine this process, do the work, and answer.

    ``work`` is called with the request and returns the last message; a KomadoriError that
    it raises becomes an answer, anything else ends the process with a traceback.
    """
    request = json.load(sys.stdin)
    is_network_isolated = _confine(request.pop("limits"))
    are_files_isolated = _leave_files(request.pop("readable"), request.pop("writable"))
    try:
        answer = work(request)
    except KomadoriError as exc:
        send({"kind": "error", "code": exc.code, "message": exc.message, "hint": exc.hint})
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    send(
        {
            **answer,
            "kind": "done",
            "is_network_isolated": is_network_isolated,
            "are_files_isolated": are_files_isolated,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_rss_bytes": usage.ru_maxrss * 1024,
        }
    )


def _confine(limits: Mapping[str, int]) -> bool:
    """Set the limits; True when the network is out of reach.

    Taking the network away needs a kernel that lets ordinary users make namespaces, so it is
    tried and reported, never required: FFmpeg is held by its protocol allow-list as well.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    is_isolated = any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
    cpu_s = int(limits["cpu_s"])
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + 2)
    _lower(resource.RLIMIT_AS, limits["memory_bytes"])
    mmap.mmap(-1, _LEAST_ROOM_BYTES).close()  # FFmpeg may crash where this says that there is no memory
    _lower(resource.RLIMIT_FSIZE, limits["max_file_bytes"])
    _lower(resource.RLIMIT_NOFILE, limits["max_open_files"])
    _lower(resource.RLIMIT_CORE, 0)
    os.umask(0o022)
    return is_isolated


def _leave_files(readable: list[str], writable: list[str]) -> bool:
    """Keep the named files, and Python's own; True when all others are out of reach.

    As with the network, an older kernel is reported and not an obstacle.
    """
    own = {sys.prefix, sys.base_prefix, *sys.path}
    return restrict_files(map(Path, [*_SYSTEM_FILES, *filter(None, own), *readable]), map(Path, writable))


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, but never above what the process already has."""
    ceiling = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    hard_limit = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(kind, (min(soft, hard_limit), hard_limit))
