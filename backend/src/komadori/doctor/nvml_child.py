"""What the NVIDIA driver says of itself and its cards, printed as JSON: a program of its own.

It calls NVML (``libnvidia-ml.so.1``, part of every driver) through ctypes, so that nothing needs
to be installed, and stands alone: the process that asks may have to kill it. Functions, numbers
and layouts are those of NVIDIA's NVML API reference.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_TEXT_BYTES = 96
_MOST_PROCESSES = 64
_UNCORRECTED, _SINCE_BOOT = 1, 0
_UNKNOWN_BYTES = 2**64 - 1
_UINT = ctypes.c_uint
_BYTES = ctypes.c_ulonglong


class _Memory(ctypes.Structure):
    _fields_ = (("total", _BYTES), ("free", _BYTES), ("used", _BYTES))


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", _UINT),
        ("used", _BYTES),
        ("gpu_instance", _UINT),
        ("compute_instance", _UINT),
    )


def main() -> int:
    """Print the facts; those that the driver does not give are null."""
    try:
        nvml = ctypes.CDLL(_LIBRARY)
    except OSError as exc:
        _write({"library": False, "error": str(exc)})
        return 0
    rc = int(nvml.nvmlInit_v2())
    facts: dict[str, Any] = {"library": True, "rc": rc, "error": _message(nvml, rc) if rc else ""}
    if rc == 0:
        count = _number(nvml.nvmlDeviceGetCount_v2, _UINT()) or 0
        facts.update(
            driver=_text(nvml.nvmlSystemGetDriverVersion),
            cuda=_number(nvml.nvmlSystemGetCudaDriverVersion_v2, ctypes.c_int()),
            cards=[_card(nvml, index) for index in range(count)],
        )
    _write(facts)
    return 0


def _write(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")


def _card(nvml: Any, index: int) -> dict[str, Any]:
    handle = ctypes.c_void_p()
    rc = int(nvml.nvmlDeviceGetHandleByIndex_v2(_UINT(index), ctypes.byref(handle)))
    if rc:
        return {"index": index, "error": _message(nvml, rc)}
    memory = _Memory()
    has_memory = nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
    return {
        "index": index,
        "error": "",
        "name": _text(nvml.nvmlDeviceGetName, handle),
        "uuid": _text(nvml.nvmlDeviceGetUUID, handle),
        "total_bytes": memory.total if has_memory else None,
        "free_bytes": memory.free if has_memory else None,
        "capability": _numbers(nvml, "nvmlDeviceGetCudaComputeCapability", handle, ctypes.c_int, 2),
        "mig": (_numbers(nvml, "nvmlDeviceGetMigMode", handle, _UINT, 2) or [0])[0] == 1,
        "ecc_uncorrected": _ecc_errors(nvml, handle),
        "remapped_rows": _numbers(nvml, "nvmlDeviceGetRemappedRows", handle, _UINT, 4),
        "processes": _processes(nvml, handle),
    }


def _ecc_errors(nvml: Any, handle: ctypes.c_void_p) -> int | None:
    count = _BYTES()
    function = getattr(nvml, "nvmlDeviceGetTotalEccErrors", None)
    if function is None or function(handle, _UNCORRECTED, _SINCE_BOOT, ctypes.byref(count)):
        return None
    return int(count.value)


def _processes(nvml: Any, handle: ctypes.c_void_p) -> list[dict[str, int | None]]:
    """Who computes on the card; empty where the driver does not tell, as in a container."""
    function = getattr(nvml, "nvmlDeviceGetComputeRunningProcesses_v3", None)
    count, found = _UINT(_MOST_PROCESSES), (_Process * _MOST_PROCESSES)()
    if function is None or function(handle, ctypes.byref(count), found):
        return []
    return [
        {"pid": process.pid, "bytes": None if process.used == _UNKNOWN_BYTES else process.used}
        for process in found[: count.value]
    ]


def _numbers(nvml: Any, name: str, handle: ctypes.c_void_p, kind: Any, n: int) -> list[int] | None:
    """What a function writes to ``n`` numbers, or None: not every driver and card has it."""
    function = getattr(nvml, name, None)
    values = [kind() for _ in range(n)]
    if function is None or function(handle, *(ctypes.byref(value) for value in values)):
        return None
    return [int(value.value) for value in values]


def _number(function: Callable[..., int], value: Any) -> int | None:
    return int(value.value) if function(ctypes.byref(value)) == 0 else None


def _text(function: Callable[..., int], *arguments: Any) -> str | None:
    buffer = ctypes.create_string_buffer(_TEXT_BYTES)
    return buffer.value.decode(errors="replace") if function(*arguments, buffer, _TEXT_BYTES) == 0 else None


def _message(nvml: Any, rc: int) -> str:
    nvml.nvmlErrorString.restype = ctypes.c_char_p
    said: bytes | None = nvml.nvmlErrorString(rc)
    return (said or b"").decode(errors="replace") or f"NVML error {rc}"


if __name__ == "__main__":
    sys.exit(main())
