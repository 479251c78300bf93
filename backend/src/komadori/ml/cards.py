"""Which card a worker uses, and with whom it takes turns on it."""

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from komadori.core.device_seats import Seat, take_seat
from komadori.core.device_turns import DeviceTurns, NoTurns, Turns
from komadori.core.file_lock import lock_folder

DEVICE_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/nvmap"), Path("/dev/kfd"))
"""One of them is there where a card can be used: NVIDIA's driver, that of WSL 2, of a Tegra, AMD's."""


@dataclass(frozen=True, slots=True)
class Card:
    """A device by the name that torch has for it, and the turns on it.

    ``seat`` is the place on one of several cards; it is kept as long as the process lives.
    """

    device: str
    turns: Turns
    seat: Seat | None = None


def open_card(device: str, lock: str, models_dir: Path, queue: str) -> Card:
    """The device for a worker: of several cards, one that no other worker of its queue sits on.

    Args:
        device: As for :func:`~komadori.ml.torch_runtime.choose_runtime`; one that names a card is kept.
        lock: "auto" for turns with all who use the same card, "off" for none, or the name of a lock.
        models_dir: The folder that all workers of this machine share; locks are in it.
        queue: Of the worker.

    Raises:
        InputError: There is no such kind of device.
        DependencyError: This machine has cards, but not that one.
        StorageError: The locks cannot be made.
    """
    runtime = _torch_with_cards(device)
    seat = None
    if runtime and device in ("auto", "cuda") and len(cards := runtime.lock_names()) > 1:
        seat = take_seat(lock_folder(models_dir), queue, cards)
        device = f"cuda:{seat.index}"
    if lock == "auto":
        lock = runtime.lock_name(device) if runtime else "off"
    if lock == "off":
        return Card(device, NoTurns(), seat)
    give_back = partial(runtime.release_cached, device) if runtime else _keep
    turns = DeviceTurns(lock_folder(models_dir), lock, label=queue, before_giving=give_back)
    return Card(device, turns, seat)


def _torch_with_cards(device: str) -> Any:
    """The module :mod:`~komadori.ml.torch_runtime` where it finds a card to use, else None.

    torch takes seconds to import, and an image whose worker has no model may lack it.
    """
    if not device.startswith("cuda") and (device != "auto" or not any(map(Path.exists, DEVICE_NODES))):
        return None
    try:
        runtime = import_module("komadori.ml.torch_runtime")
    except ImportError:
        return None
    return runtime if runtime.lock_names() else None


def _keep() -> None:
    return None
