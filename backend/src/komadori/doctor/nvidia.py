"""The checks of NVIDIA's cards and their driver. Needs the standard library only.

The driver is asked by ``nvml_child`` in a process of its own, since a driver in trouble may never
answer. What it says is a :class:`Driver`, which other checks compare with torch.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from komadori.core.errors import DependencyError
from komadori.doctor import child
from komadori.doctor.container import ROOT, is_inside
from komadori.doctor.report import Check, Result, fail, ok, skip, warn

GROUP = "GPU"
"""The headline of what concerns the card."""

OLDEST_CUDA = (12, 1)
"""Of a driver: what our images with CUDA 12 are promised to run on."""

_NVML_CHILD = Path(__file__).with_name("nvml_child.py")
_ANSWER_S = 20.0
_NVIDIA_VENDOR = "0x10de"
_DISPLAY_CLASS = "0x03"
_OTHER_NODES = {
    "dxg": "/dev/dxg: the card of Windows, through WSL",
    "nvmap": "/dev/nvmap: the card of a Tegra (Jetson)",
}
"""Device files of cards that have no /dev/nvidia0."""

_NOT_TOLD = "its driver tells no memory"
_NOT_LOADED, _BLOCKED, _MISMATCH, _UNKNOWN = 9, 17, 18, 999
"""Return codes of NVML: no driver loaded, blocked by the operating system, versions differ, unknown error."""

_INSTALL_DRIVER = (
    "Install NVIDIA's driver, 535 or newer, and reboot: `sudo apt install nvidia-driver` on Debian "
    "(non-free), `sudo ubuntu-drivers install` on Ubuntu."
)
_DRIVER_OF_WINDOWS = (
    "Update NVIDIA's driver in Windows and WSL itself (`wsl --update`), then `wsl --shutdown`; no driver "
    "belongs into the Linux of WSL."
)
_WITHOUT_GPU = (
    "Do not use the GPU overlay here: `make up` (docker/docker-compose.cpu.yml) or `komadori up` "
    "run all models on the CPU."
)


@dataclass(frozen=True)
class Card:
    """One card as its driver sees it; None, or 0 bytes, where the driver does not say.

    Attributes:
        index: Its number for NVIDIA_VISIBLE_DEVICES and ``device_ids``.
        error: Why nothing else is known, or empty.
        capability: The compute capability, (8, 9) for 8.9.
        has_mig: Whether it is cut into slices (MIG).
        ecc_uncorrected: Memory errors since the boot that were not corrected.
        remapped_rows: Corrected, uncorrected, pending (0 or 1), failed (0 or 1).
        processes: (process id, bytes or None) of those that compute on it.
    """

    index: int
    error: str = ""
    name: str = ""
    uuid: str = ""
    total_bytes: int = 0
    free_bytes: int = 0
    capability: tuple[int, int] | None = None
    has_mig: bool = False
    ecc_uncorrected: int | None = None
    remapped_rows: tuple[int, ...] | None = None
    processes: tuple[tuple[int, int | None], ...] = ()

    @property
    def label(self) -> str:
        """For people: "0 NVIDIA L4"."""
        return f"{self.index} {self.name}".rstrip()


@dataclass(frozen=True)
class Driver:
    """What the driver says of itself.

    Attributes:
        has_library: Whether NVML can be loaded at all.
        rc: What its initialisation returned; 0 is well.
        error: The message of either.
        version: Such as "550.54.15".
        cuda: The newest CUDA that it runs, (12, 4).
        cards: Those that it lets this process see.
    """

    has_library: bool
    rc: int = 0
    error: str = ""
    version: str = ""
    cuda: tuple[int, int] = (0, 0)
    cards: tuple[Card, ...] = ()


def read_driver() -> Driver:
    """Ask the driver.

    Raises:
        DependencyError: It gives no answer.
    """
    try:
        facts = child.read_json([sys.executable, "-I", "-S", str(_NVML_CHILD)], _ANSWER_S)
    except DependencyError as exc:
        if exc.code != "no-answer":
            raise
        raise DependencyError(
            f"Expected an answer of the NVIDIA driver within {_ANSWER_S:g} s, got none.",
            hint="The driver hangs, and so would every program that uses the card. "
            "See `sudo dmesg | grep -iE 'nvrm|xid'`, then reboot.",
            code="no-answer",
        ) from None
    return parse_driver(facts)


def parse_driver(facts: Mapping[str, Any]) -> Driver:
    """What ``nvml_child`` printed."""
    cuda = facts.get("cuda") or 0
    return Driver(
        has_library=facts["library"],
        rc=facts.get("rc", 0),
        error=facts["error"],
        version=facts.get("driver") or "",
        cuda=(cuda // 1000, cuda % 1000 // 10),
        cards=tuple(_parse_card(card) for card in facts.get("cards", ())),
    )


def ask_once() -> Callable[[], Driver]:
    """Asks the driver at the first call and then knows; for checks that share the answer."""
    return functools.lru_cache(maxsize=1)(read_driver)


def checks(
    *, require_gpu: bool = False, driver: Callable[[], Driver] | None = None, root: Path = ROOT
) -> list[Check]:
    """The checks of the cards; the driver is asked once for all of them.

    Args:
        require_gpu: Whether it is a failure that there is no card.
        driver: From :func:`ask_once`, where other checks need the answer as well.
        root: Where the file system begins.
    """
    on_driver = functools.partial(functools.partial, driver=driver or ask_once())
    return [
        Check("gpu-device", GROUP, functools.partial(check_device, require_gpu=require_gpu, root=root)),
        Check(
            "gpu-driver",
            GROUP,
            on_driver(check_driver, require_gpu=require_gpu, root=root),
            deadline_s=_ANSWER_S + 5,
            needs=("gpu-device",),
        ),
        Check("gpu-cards", GROUP, on_driver(check_cards), needs=("gpu-driver",)),
        Check("gpu-memory", GROUP, on_driver(check_memory, root=root), needs=("gpu-driver", "gpu-cards")),
        Check("gpu-health", GROUP, on_driver(check_health), needs=("gpu-driver", "gpu-cards")),
    ]


def check_device(settings: Any, *, require_gpu: bool = False, root: Path = ROOT) -> Result:
    """Whether there is an NVIDIA card, and device files (/dev/nvidia*, /dev/dxg in WSL) to reach it by."""
    dev = root / "dev"
    nodes = sorted(node.name for node in dev.glob("nvidia[0-9]*"))
    other = next((said for name, said in _OTHER_NODES.items() if (dev / name).exists()), None)
    if not nodes and other is None and not _has_card(root):
        if require_gpu:
            return fail("there is no NVIDIA GPU here", f"Run without --require-gpu. {_WITHOUT_GPU}")
        return skip("there is no NVIDIA GPU here: models run on the CPU", _WITHOUT_GPU)
    if not require_gpu and settings is not None and settings.device == "cpu":
        return skip("KOMADORI_DEVICE is cpu: no card is used")
    if nodes and not (dev / "nvidia-uvm").exists():
        return warn(
            f"/dev/{', /dev/'.join(nodes)}, but no /dev/nvidia-uvm, which CUDA needs",
            "Make it on the host: `sudo nvidia-modprobe -u -c=0`.",
        )
    if nodes:
        return ok(f"/dev/{', /dev/'.join(nodes)}")
    return ok(other) if other else _unreachable(root, require_gpu=require_gpu)


def check_driver(
    _settings: Any, *, driver: Callable[[], Driver], require_gpu: bool = False, root: Path = ROOT
) -> Result:
    """Whether the driver answers, its library fits its kernel module, and it knows CUDA 12.1 or newer."""
    if not any((root / "dev" / name).exists() for name in ("nvidiactl", "nvidia0", "dxg")):
        return skip("no device files to ask it by")
    found = driver()
    if not found.has_library:
        return _without_library(found, root, require_gpu=require_gpu)
    if found.rc:
        return _refusal(found, root)
    cuda = dotted(found.cuda)
    facts = {"driver": found.version, "cuda": cuda}
    if found.cuda < OLDEST_CUDA:
        remedy = _DRIVER_OF_WINDOWS if _is_wsl(root) else _INSTALL_DRIVER
        return fail(f"driver {found.version} knows CUDA {cuda} at most, and 12.1 is needed", remedy, **facts)
    return ok(f"driver {found.version}, runs CUDA {found.cuda[0]}.x (made for {cuda})", **facts)


def check_cards(_settings: Any, *, driver: Callable[[], Driver]) -> Result:
    """Which cards the driver shows: name, memory, compute capability, whether they are cut into slices."""
    cards = driver().cards
    if not cards:
        return fail(
            "the driver shows no card",
            "In a container, see NVIDIA_VISIBLE_DEVICES; on the host, `sudo dmesg | grep NVRM`.",
        )
    lost = [card for card in cards if card.error]
    detail = "\n".join(_described(card) for card in cards)
    if lost:
        return fail(detail, "Reboot; a card that is lost again has a fault of power, cable or hardware.")
    if any(card.has_mig for card in cards):
        return warn(
            f"{detail}\nMIG is on: a worker sees one slice of a card, not the whole",
            "Give each worker the UUID of a slice (`nvidia-smi -L`), or end it: `sudo nvidia-smi -mig 0`.",
        )
    return ok(detail, cards=[card.name for card in cards])


def check_memory(_settings: Any, *, driver: Callable[[], Driver], root: Path = ROOT) -> Result:
    """How much memory of each card is free, and who has the rest."""
    lines = []
    for card in driver().cards:
        users = ", ".join(_user(pid, used, root) for pid, used in card.processes)
        free = f"{_gb(card.free_bytes)} of {_gb(card.total_bytes)} free" if card.total_bytes else _NOT_TOLD
        lines.append(f"{card.label}: {free}" + (f"; used by {users}" if users else ""))
    detail = "\n".join(lines)
    if all(card.free_bytes < card.total_bytes / 4 for card in driver().cards):
        return warn(detail, "End what else uses the cards (`nvidia-smi` lists it), or use smaller models.")
    return ok(detail, free_bytes=[card.free_bytes for card in driver().cards])


def check_health(_settings: Any, *, driver: Callable[[], Driver]) -> Result:
    """Whether the cards report faults: memory errors (ECC), rows to be remapped, Xid messages."""
    cards = driver().cards
    broken = [card.label for card in cards if card.remapped_rows and card.remapped_rows[3]]
    if broken:
        return fail(
            f"{', '.join(broken)}: rows of its memory could not be replaced", "Have the card replaced."
        )
    worn = [card.label for card in cards if card.ecc_uncorrected or (card.remapped_rows or (0, 0, 0))[2]]
    if worn:
        return warn(
            f"{', '.join(worn)}: memory errors that were not corrected, since the boot",
            "Stop the workers, then `sudo nvidia-smi --gpu-reset` or reboot, so that bad rows are replaced.",
        )
    xid = _last_xid()
    if xid:
        return warn(
            f"the kernel reports: {xid}", "Look the number up in NVIDIA's list of Xid errors; reboot."
        )
    return ok("no errors reported")


def _parse_card(facts: Mapping[str, Any]) -> Card:
    if facts["error"]:
        return Card(facts["index"], facts["error"])
    capability, rows = facts["capability"], facts["remapped_rows"]
    return Card(
        index=facts["index"],
        name=facts["name"] or "",
        uuid=facts["uuid"] or "",
        total_bytes=facts["total_bytes"] or 0,
        free_bytes=facts["free_bytes"] or 0,
        capability=(capability[0], capability[1]) if capability else None,
        has_mig=facts["mig"],
        ecc_uncorrected=facts["ecc_uncorrected"],
        remapped_rows=tuple(rows) if rows else None,
        processes=tuple((process["pid"], process["bytes"]) for process in facts["processes"]),
    )


def _has_card(root: Path) -> bool:
    """Whether a display adapter or an accelerator of NVIDIA is on the PCI bus."""
    return any(
        _first_line(device / "vendor") == _NVIDIA_VENDOR
        and _first_line(device / "class").startswith(_DISPLAY_CLASS)
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def _unreachable(root: Path, *, require_gpu: bool) -> Result:
    """There is a card without its device files."""
    missing = fail if require_gpu else warn
    if is_inside(root):
        return missing(
            "the host has an NVIDIA card, but this container was not given it",
            "Start it with docker/docker-compose.gpu.yml (`make up-gpu`), "
            "and see `verify_gpu.py --role host` on the host.",
        )
    return missing("there is an NVIDIA card, but no driver for it is loaded", _INSTALL_DRIVER)


def _without_library(found: Driver, root: Path, *, require_gpu: bool) -> Result:
    """WSL has its device file whatever card is in the machine; elsewhere it is only there with a card."""
    said = f"the library of the driver does not load: {found.error}"
    if is_inside(root):
        remedy = "Set NVIDIA_DRIVER_CAPABILITIES=compute,utility, and see `nvidia-ctk --version` on the host."
        return fail(said, remedy)
    if not _is_wsl(root):
        return fail(said, _INSTALL_DRIVER)
    if require_gpu:
        return fail(said, _DRIVER_OF_WINDOWS)
    return skip(f"Windows has no NVIDIA card or no driver for it ({found.error})", _DRIVER_OF_WINDOWS)


def _refusal(found: Driver, root: Path) -> Result:
    """What an initialisation that failed means."""
    kernel_log = "See `nvidia-smi` and `sudo dmesg | grep -i nvrm` on the host."
    if found.rc == _MISMATCH:
        return fail(
            f"{found.error}: the kernel runs module {_module_version(root) or 'of another version'}",
            "The driver was updated while it ran. Reboot: `sudo reboot`.",
        )
    if found.rc == _NOT_LOADED:
        remedy = (
            "Load it on the host: `sudo modprobe nvidia`; if that fails, see `sudo dmesg | grep -i nvrm`."
        )
        return fail(found.error, remedy)
    if found.rc == _BLOCKED and _is_wsl(root):
        return fail(found.error, _DRIVER_OF_WINDOWS)
    if found.rc == _UNKNOWN and is_inside(root):  # NVIDIA/nvidia-container-toolkit#48
        return fail(
            f"{found.error}, as when a container lost its devices because systemd was reloaded",
            "Start this container again: `make rebuild-gpu`, or `docker compose restart`.",
        )
    return fail(f"{found.error} (NVML error {found.rc})", kernel_log)


def _is_wsl(root: Path) -> bool:
    return (root / "dev/dxg").exists()


def _module_version(root: Path) -> str:
    found = re.search(r"Kernel Module\D*([\d.]+)", _first_line(root / "proc/driver/nvidia/version"))
    return found[1] if found else ""


def dotted(version: tuple[int, ...]) -> str:
    """(12, 8) as people write it: "12.8"."""
    return ".".join(str(part) for part in version)


def _described(card: Card) -> str:
    if card.error:
        return f"{card.index}: {card.error}"
    capability = dotted(card.capability) if card.capability else "?"
    memory = _gb(card.total_bytes) if card.total_bytes else _NOT_TOLD
    return f"{card.label}, {memory}, compute capability {capability}"


def _user(pid: int, used: int | None, root: Path) -> str:
    name = _first_line(root / f"proc/{pid}/comm") or "another"
    return f"{name} ({pid}) {_gb(used) if used is not None else ''}".rstrip()


def _last_xid() -> str:
    """The last message of the kernel about a fault of a card; empty when the log cannot be read."""
    try:
        log = child.run(["dmesg"], timeout_s=5.0)
    except DependencyError:
        return ""
    return next(_xids(reversed(log.out.splitlines())), "")


def _xids(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        _, mark, said = line.partition("NVRM: Xid")
        if mark:
            yield f"Xid{said}"


def _first_line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
