"""Where and how torch models run, and the one way in which their checkpoints are loaded."""

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from komadori.core.errors import DependencyError, InputError, ModelError
from komadori.ml import torchvision_shim
from komadori.ml.turn_taking import turn_for_weights

Model = TypeVar("Model")

BF16_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""The instructions with which a CPU multiplies bfloat16 faster than float32, as Linux names them."""

_SAFE_AND_CHECKED = {
    "output_loading_info": True,
    "ignore_mismatched_sizes": True,  # they are listed instead of being one long message
    "use_safetensors": True,
    "local_files_only": True,
    "trust_remote_code": False,
}
"""How ``from_pretrained`` is called: nothing is fetched or run, and everything that is missing is told."""

CACHE_SHARE_KEPT = 0.1
"""How much of a card a process may keep for its next turn while others work on it.

Giving everything back costs two calls of the driver for each segment, every turn; on a large card
nobody misses what a model caches.
"""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TorchRuntime:
    """A device and the number format that is fastest on it at the accuracy we promise."""

    device: torch.device
    dtype: torch.dtype

    @property
    def name(self) -> str:
        """For people: "cpu, bfloat16"."""
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


def choose_runtime(
    device: str = "auto", *, threads: int | None = None, dtype: torch.dtype | None = None
) -> TorchRuntime:
    """The device asked for, with bfloat16 where the hardware has it, else float32.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".
        threads: How many threads torch uses in this process; None leaves it as it is.
        dtype: A number format to use instead of the one found.

    Raises:
        InputError: There is no such kind of device, or ``threads`` is less than 1.
        DependencyError: This machine does not have the device.
    """
    if threads is not None:
        if threads < 1:
            raise InputError(
                f"Expected at least 1 thread, got {threads}.", hint="Leave it out for all cores."
            )
        torch.set_num_threads(threads)
    chosen = _find_device(device)
    return TorchRuntime(chosen, dtype or fastest_dtype(chosen))


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # torch answers for the current card, and cards differ
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = device.type == "cpu" and cpu_has_bf16()
    return torch.bfloat16 if has_bf16 else torch.float32


def cpu_has_bf16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU has bfloat16 instructions; False where that cannot be found out."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BF16_CPU_FLAGS.isdisjoint(flags.split())


def lock_name(device: str = "auto") -> str | None:
    """The name of a card that every process and container on this machine agrees on; None without a card.

    That is the card's UUID: indices differ between containers. A part of a card (MIG) has one of its
    own where the CUDA runtime tells it, else the parts of a card share a name, which is only slower.

    Raises:
        InputError: There is no such kind of device.
        DependencyError: This machine does not have the device.
    """
    chosen = _find_device(device)
    return _card_name(chosen.index or 0) if chosen.type == "cuda" else None


def lock_names() -> list[str]:
    """The names of all cards that this process sees, by index."""
    return [_card_name(index) for index in range(torch.cuda.device_count())]


def release_cached(device: str) -> None:
    """Give the memory that torch keeps for later back to the card, if it is worth it.

    Others then find it there. Nothing happens without a card, and a card that does not answer any
    more is told by whatever runs on it next.
    """
    chosen = _find_device(device)
    if chosen.type != "cuda":
        return
    try:
        unused = torch.cuda.memory_reserved(chosen) - torch.cuda.memory_allocated(chosen)
        if unused > CACHE_SHARE_KEPT * torch.cuda.get_device_properties(chosen).total_memory:
            with torch.cuda.device(chosen):
                torch.cuda.empty_cache()
    except RuntimeError as error:
        _log.warning("%s did not take memory back: %s", chosen, error)


def load_pretrained(
    model_class: type[Model],
    directory: Path,
    runtime: TorchRuntime,
    *,
    key_mapping: Mapping[str, str] | None = None,
    **options: Any,
) -> Model:
    """A model of a transformers class with all its weights from a local folder, ready to run.

    transformers leaves weights that a checkpoint lacks at random values and only logs it; here that
    is an error. Weights that the class has no use for (the text tower for a vision model) are not
    read. Nothing is fetched, no code of the checkpoint is run, pickles are never opened.

    Args:
        model_class: A class with ``from_pretrained``.
        directory: Holds config.json and safetensors files.
        runtime: Where the model goes and its number format.
        key_mapping: Regular expressions for names in the checkpoint, with their replacements.
        options: What ``from_pretrained`` takes besides.

    Raises:
        ModelError: The folder has no safetensors, or they do not fit the class.
    """
    require_safetensors(directory)
    torchvision_shim.install()
    from_pretrained: Any = getattr(model_class, "from_pretrained")  # noqa: B009 - Model is any class
    if key_mapping:
        options["key_mapping"] = dict(key_mapping)
    try:
        with _quiet():
            model, info = from_pretrained(directory, dtype=runtime.dtype, **_SAFE_AND_CHECKED, **options)
    except Exception as exc:  # a damaged file surfaces as any of a dozen types
        raise ModelError(
            f"{directory} could not be loaded as {model_class.__name__}: {exc}",
            hint="Fetch the checkpoint again, or name another one.",
            code="unreadable-checkpoint",
        ) from exc
    _require_complete(info, model_class.__name__, directory)
    with turn_for_weights():
        ready: Model = model.eval().requires_grad_(False).to(runtime.device)
    return ready


def require_safetensors(directory: Path) -> None:
    """Check that the folder holds a configuration and weights that are safe to open.

    Raises:
        ModelError: It is no folder, or lacks one of them.
    """
    if not (directory / "config.json").is_file():
        raise ModelError(
            f"Expected a folder with a model's config.json, found none in {directory}.",
            hint="Name the folder of a checkpoint in the layout of transformers.",
            code="checkpoint-not-found",
        )
    if any(directory.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in directory.glob(pattern))
    found = f"only {', '.join(pickles)}, which can run code when opened" if pickles else "no weights at all"
    raise ModelError(
        f"Expected weights as *.safetensors in {directory}, found {found}.",
        hint="Use a checkpoint in safetensors format.",
        code="unsafe-checkpoint" if pickles else "checkpoint-not-found",
    )


def _find_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as exc:
        raise InputError(
            f"Expected a device such as auto, cpu or cuda:0, got {device!r}.", hint="Use auto."
        ) from exc
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (chosen.index or 0) >= counts.get(chosen.type, 0):
        raise DependencyError(
            f"The device {device} was asked for, but torch {torch.__version__} finds none here.",
            hint="Use device auto or cpu, or install torch for your GPU and its driver.",
            code="no-device",
        )
    return chosen


def _card_name(index: int) -> str:
    """By UUID; by place on the bus where torch does not tell it; one name for all cards without either."""
    properties: Any = torch.cuda.get_device_properties(index)
    if uuid := str(getattr(properties, "uuid", "")):
        return f"gpu-{uuid}"
    place = [getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device")]
    return "gpu-" + ("any" if None in place else "-".join(f"{number:x}" for number in place))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the loading report and its progress bar: what matters of it is checked here."""
    transformers_logging = importlib.import_module("transformers.utils.logging")
    verbosity, has_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if has_bar:
            transformers_logging.enable_progress_bar()


def _require_complete(info: Mapping[str, Any], class_name: str, directory: Path) -> None:
    missing = sorted(info["missing_keys"])
    mismatched = sorted(key for key, *_ in info["mismatched_keys"])
    if not missing and not mismatched and not info["error_msgs"]:
        return
    example = (missing + mismatched + list(info["error_msgs"]))[0]
    raise ModelError(
        f"{directory} does not fit {class_name}: {len(missing)} weights are missing and "
        f"{len(mismatched)} have another shape, {example} for one.",
        hint="Name a checkpoint of that very model; a part of one cannot be used.",
        code="incomplete-checkpoint",
    )
