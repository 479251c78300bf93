"""Which checks belong to what runs where: the host, each image's containers, or a whole machine.

``host`` can be asked with the standard library alone; what the others need is imported only for them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from komadori.core.errors import InputError
from komadori.doctor import container, host, nvidia
from komadori.doctor.report import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from komadori.ml.catalogue import ModelKind

ROLES = {
    "host": "the machine that runs the containers; needs nothing but Python",
    "app": "the image of the API and the worker of the queue default",
    "siglip": "the image of the worker that makes frames searchable",
    "sam3": "the image of the worker that proposes masks",
    "all": "a machine that runs everything itself",
}
"""The roles, for people."""

_SOFTWARE, _DATA, _MODELS, _RUNNING = "Software", "Data", "Models", "Running"


def checks(role: str = "all", *, require_gpu: bool = False, is_quick: bool = False) -> list[Check]:
    """The checks of a role, in the order in which one explains the next.

    Args:
        role: One of :data:`ROLES`.
        require_gpu: Whether it is a failure that there is no GPU, for roles that may have one.
        is_quick: Whether no model is run, which takes minutes on a processor.

    Raises:
        InputError: There is no such role.
    """
    found = _of_role(role, require_gpu=require_gpu)
    return [check for check in found if not (is_quick and check.name.endswith("-run"))]


def _of_role(role: str, *, require_gpu: bool) -> list[Check]:
    if role == "host":
        return host.checks(require_gpu=require_gpu)
    if role == "app":
        return _app()
    if role == "siglip":
        return _with_model("siglip", "embedder", require_gpu=require_gpu)
    if role == "sam3":
        return _with_model("sam3", "segmenter", require_gpu=require_gpu)
    if role == "all":
        return _all(require_gpu=require_gpu)
    raise InputError(f"Expected a role, got {role!r}.", hint=f"Use one of: {', '.join(ROLES)}.")


def _app() -> list[Check]:
    """Other queues may have their workers on other machines, or none yet."""
    return [
        *container.checks(),
        *_software("python", "decoder"),
        *_data(),
        *_files(("embedder", "segmenter")),
        *_broker(),
        *_api(),
        *_queues(needed=("default",), others=("siglip", "sam3")),
        *_backlog(),
    ]


def _with_model(queue: str, kind: ModelKind, *, require_gpu: bool) -> list[Check]:
    return [
        *container.checks(),
        *_compute((kind,), require_gpu=require_gpu),
        *_software("python"),
        *_data(),
        *_files((kind,)),
        *_runs((kind,), require_gpu=require_gpu),
        *_broker(),
        *_queues(needed=(queue,)),
    ]


def _all(*, require_gpu: bool) -> list[Check]:
    kinds: tuple[ModelKind, ...] = ("embedder", "segmenter")
    return [
        *_compute(kinds, require_gpu=require_gpu),
        *_software("python", "packages", "decoder"),
        *_data(),
        *_files(kinds),
        *_runs(kinds, require_gpu=require_gpu),
        *_broker(),
        *_api(),
        *_queues(needed=("default", "siglip", "sam3")),
        *_backlog(),
    ]


def _compute(kinds: tuple[ModelKind, ...], *, require_gpu: bool) -> list[Check]:
    """Card, driver and torch; the driver is asked once for all of them."""
    from komadori.doctor import accelerator

    driver = nvidia.ask_once()
    return [
        *nvidia.checks(require_gpu=require_gpu, driver=driver),
        *accelerator.checks(require_gpu=require_gpu, kinds=kinds, driver=driver),
    ]


def _software(*names: str) -> list[Check]:
    from komadori.doctor import machine

    known = {
        "python": Check("python", _SOFTWARE, machine.check_python),
        "packages": Check("packages", _SOFTWARE, machine.check_packages),
        "decoder": Check("decoder", _SOFTWARE, machine.check_decoder, deadline_s=40),
    }
    return [known[name] for name in names]


def _data() -> list[Check]:
    from komadori.doctor import machine

    return [
        Check("home", _DATA, machine.check_home),
        Check("database", _DATA, machine.check_database, deadline_s=20),
    ]


def _files(kinds: Sequence[ModelKind]) -> list[Check]:
    from komadori.doctor import machine, models

    return [
        Check("models-folder", _MODELS, partial(models.check_models_folder, kinds=kinds)),
        Check("hub-token", _MODELS, machine.check_hub_token),
        *(
            Check(f"{kind}-files", _MODELS, partial(models.check_files, kind=kind), models.FILES_DEADLINE_S)
            for kind in kinds
        ),
    ]


def _runs(kinds: Sequence[ModelKind], *, require_gpu: bool) -> list[Check]:
    from komadori.doctor import models

    return [
        Check(
            f"{kind}-run",
            _MODELS,
            partial(models.check_run, kind=kind, needs_gpu=require_gpu),
            models.RUN_BUDGETS_S[kind] + models.RUN_DEADLINE_MORE_S,
            needs=(f"{kind}-files",),
        )
        for kind in kinds
    ]


def _broker() -> list[Check]:
    from komadori.doctor import broker

    return [
        Check("broker", _RUNNING, broker.check_broker),
        Check("broker-storage", _RUNNING, broker.check_storage, needs=("broker",)),
        Check("clock", _RUNNING, broker.check_clock, needs=("broker",)),
    ]


def _api() -> list[Check]:
    from komadori.doctor import machine

    return [Check("api", _RUNNING, machine.check_api)]


def _queues(*, needed: Sequence[str], others: Sequence[str] = ()) -> list[Check]:
    from komadori.core.types import Queue
    from komadori.doctor import queues

    return [
        Check(
            f"queue-{name}",
            _RUNNING,
            partial(queues.check_queue, queue=Queue(name), is_needed_here=name in needed),
            queues.QUEUE_DEADLINE_S,
            needs=("broker",),
        )
        for name in (*needed, *others)
    ]


def _backlog() -> list[Check]:
    from komadori.doctor import queues

    return [Check("backlog", _RUNNING, queues.check_backlog, needs=("database",))]
