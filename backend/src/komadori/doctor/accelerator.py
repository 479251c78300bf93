"""The checks of torch: whether it fits the driver and the cards, and computes what it should.

torch runs in a process of its own (``komadori.ml.torch_probe``). What it said is a
:class:`TorchFacts`; the checks only judge that, so each case can be shown to them without a card.
"""

import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

from komadori.core.errors import DependencyError
from komadori.doctor import child, nvidia
from komadori.doctor.nvidia import Driver, dotted
from komadori.doctor.report import Check, Result, fail, ok, skip, warn
from komadori.ml.catalogue import ModelKind, spec_of
from komadori.settings import Settings

PROBE_S = 120.0
"""Enough to import torch from a cold disk and to start CUDA on many cards."""

OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
"""The oldest driver of each major version of CUDA; a build of any 12.x runs on any driver from there.

Source: NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1.
"""

LARGEST_ERROR = {"float32": 1e-5, "bfloat16": 1e-2}
"""Of a product, relative to float64. Rounding alone makes about 1e-6 and 2e-3 at size 2048."""

CONTEXT_BYTES = 0.6e9
"""What CUDA and its kernels take in each process before any model."""

ACTIVATION_BYTES: dict[ModelKind, float] = {"embedder": 1.5e9, "segmenter": 3.5e9}
"""What a pass takes besides the weights: 64 pictures, or one of 1008 x 1008 pixels with eight prompts.

An estimate to warn by; the forward pass that the doctor runs measures the true figure.
"""

_GROUP = "Compute"
_CPU_INSTEAD = "Or run the models on the CPU: KOMADORI_DEVICE=cpu."
_REBUILD = "Build the images with KOMADORI_TORCH={} (`make rebuild-gpu`), or install such a build of torch."


@dataclass(frozen=True, slots=True)
class TorchCard:
    """A card as torch sees it; ``capability`` (8, 9) is 8.9."""

    name: str
    capability: tuple[int, int]
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class TorchFacts:
    """What torch said.

    Attributes:
        version: Of torch, such as "2.10.0+cu128".
        cuda: The CUDA that it was built with, (12, 8), or None for a build without.
        error: Why CUDA could not be started, or empty.
        arch_list: What it has code for: ``sm_80`` (machine code), ``compute_90`` (PTX).
        cards: Those that it can use.
        products: By number format ("float32", "bfloat16", on a card also "tf32") the worst of all cards:
            its device ("cpu", "cuda:0"), size, error and tflops. Without bfloat16 where no card has it.
    """

    version: str
    cuda: tuple[int, int] | None
    error: str
    arch_list: tuple[str, ...]
    cards: tuple[TorchCard, ...]
    products: Mapping[str, Mapping[str, Any]]


def read_torch() -> TorchFacts:
    """Ask torch.

    Raises:
        DependencyError: It does not load, crashes, or gives no answer.
    """
    try:
        facts = child.read_json([sys.executable, "-P", "-m", "komadori.ml.torch_probe"], PROBE_S)
    except DependencyError as exc:
        if exc.code == "no-answer":
            hint = "The driver hangs: see `sudo dmesg | grep -iE 'nvrm|xid'`, then reboot."
            raise DependencyError(exc.message, hint=hint, code=exc.code) from None
        hint = "Build the image again (`make rebuild-gpu`), or reinstall torch."
        if "out of memory" in exc.message:
            hint = "The card is full: stop what uses it (see gpu-memory), and look again."
        raise DependencyError(f"torch does not load or compute: {exc.message}", hint=hint) from exc
    return parse_torch(facts)


def parse_torch(facts: Mapping[str, Any]) -> TorchFacts:
    """What ``komadori.ml.torch_probe`` printed."""
    cuda = facts["cuda"]
    return TorchFacts(
        version=facts["torch"],
        cuda=_pair(cuda) if cuda else None,
        error=facts["error"],
        arch_list=tuple(facts["arch_list"]),
        cards=tuple(_parse_card(card) for card in facts["cards"]),
        products=facts["products"],
    )


def checks(
    *,
    require_gpu: bool = False,
    kinds: tuple[ModelKind, ...] = ("embedder", "segmenter"),
    driver: Callable[[], Driver] | None = None,
) -> list[Check]:
    """The checks of torch; it is asked once for all of them.

    Args:
        require_gpu: Whether it is a failure that torch computes on the CPU.
        kinds: The models whose need of memory is compared with what is free.
        driver: From :func:`nvidia.ask_once`, where other checks need the answer as well.
    """
    torch = lru_cache(maxsize=1)(read_torch)
    of = partial(partial, torch=torch)
    driver = driver or nvidia.ask_once()
    on_card = ("gpu-device", "torch")
    return [
        Check("torch", _GROUP, of(check_torch, require_gpu=require_gpu), PROBE_S + 10),
        Check("torch-driver", _GROUP, of(check_driver, driver=driver), 30, ("gpu-driver", "torch")),
        Check("torch-arch", _GROUP, of(check_arch), needs=on_card),
        Check("matmul-fp32", _GROUP, of(check_product, dtype="float32"), needs=("torch",)),
        Check("matmul-bf16", _GROUP, of(check_product, dtype="bfloat16"), needs=("torch",)),
        *(Check(f"vram-{kind}", _GROUP, of(check_vram, kind=kind), needs=on_card) for kind in kinds),
    ]


def check_torch(settings: Settings, *, torch: Callable[[], TorchFacts], require_gpu: bool = False) -> Result:
    """Which torch is installed, and whether it uses the card."""
    if find_spec("torch") is None:
        return skip("torch is not installed; the workers siglip and sam3 need it")
    facts = torch()
    built = f"built for CUDA {dotted(facts.cuda)}" if facts.cuda else "built for the CPU"
    detail = f"torch {facts.version}, {built}"
    if facts.cards and (require_gpu or settings.device != "cpu"):
        names = ", ".join(f"cuda:{number} {card.name}" for number, card in enumerate(facts.cards))
        return ok(f"{detail}: {names}", device="cuda")
    if not require_gpu and not settings.device.startswith("cuda"):
        return ok(f"{detail}: models run on the CPU", device="cpu")
    wanted = "--require-gpu was given" if require_gpu else f"KOMADORI_DEVICE is {settings.device}"
    if facts.cuda is None:
        return fail(f"{detail}, and {wanted}", f"{_REBUILD.format('cu12')} {_CPU_INSTEAD}")
    return fail(
        f"{detail}, but it sees no card ({facts.error or 'none is visible'}), and {wanted}",
        f"{_hidden() or 'See the findings about the GPU above.'} {_CPU_INSTEAD}",
    )


def check_driver(
    _settings: Settings, *, torch: Callable[[], TorchFacts], driver: Callable[[], Driver]
) -> Result:
    """Whether the driver runs the CUDA that torch was built with."""
    return judge_driver(torch(), driver())


def judge_driver(facts: TorchFacts, driver: Driver) -> Result:
    """Compare versions: within one major version of CUDA every build runs on every driver."""
    if not driver.version:
        return skip("there is no driver")
    if facts.cuda is None:
        return warn(
            f"driver {driver.version} is there, but torch is built for the CPU",
            f"{_REBUILD.format('cu12')} {_CPU_INSTEAD}",
        )
    major = facts.cuda[0]
    oldest = OLDEST_DRIVER.get(major)
    detail = (
        f"torch wants CUDA {dotted(facts.cuda)}, driver {driver.version} was made for {dotted(driver.cuda)}"
    )
    if driver.cuda[0] < major:
        update = f"Update the driver to {oldest} or newer" if oldest else "Update the driver"
        return fail(detail, f"{update}, or build the images with KOMADORI_TORCH=cu{driver.cuda[0]}.")
    if facts.error:
        return fail(
            f"{detail}, which fits, but CUDA does not start: {facts.error}",
            _hidden()
            or "`sudo nvidia-modprobe -u -c=0` on the host, then start this container again; else reboot.",
        )
    if driver.cuda[:1] == facts.cuda[:1] and driver.cuda < facts.cuda:
        return ok(f"{detail}: fits by minor-version compatibility")
    return ok(detail)


def check_arch(_settings: Settings, *, torch: Callable[[], TorchFacts]) -> Result:
    """Whether torch was built for the compute capability of each card."""
    return judge_arch(torch())


def judge_arch(facts: TorchFacts) -> Result:
    """Compare each card with what torch has code for.

    Machine code of one generation runs on cards of that generation and the same or a later minor
    version (``sm_80`` on 8.6), unless it is of one card only (``sm_90a``); PTX is translated for
    later ones, unless it is of a family (``compute_100f``, for 10.x). Source: NVIDIA, CUDA C++
    Programming Guide, "Application Compatibility" and "Family-Specific Features".
    """
    if not facts.cards:
        return skip("torch uses no card")
    for card in facts.cards:
        if not any(_runs_on(arch, card.capability) for arch in facts.arch_list):
            newest = max((_arch(arch) for arch in facts.arch_list), default=(0, 0))
            is_newer = card.capability > newest
            remedy = _REBUILD.format("cu13") if is_newer else "Use a card that it has code for."
            return fail(
                f"{card.name} has compute capability {dotted(card.capability)}, and torch {facts.version} "
                f"only has code for {' '.join(facts.arch_list) or 'none'}",
                f"{remedy} {_CPU_INSTEAD}",
            )
    shown = sorted({dotted(card.capability) for card in facts.cards})
    return ok(f"compute capability {', '.join(shown)}, among {' '.join(facts.arch_list)}")


def check_product(_settings: Settings, *, torch: Callable[[], TorchFacts], dtype: str) -> Result:
    """Whether a matrix product comes out as in float64, and how fast."""
    return judge_product(torch(), dtype)


def judge_product(facts: TorchFacts, dtype: str) -> Result:
    """Compare the error of a product with what rounding explains."""
    product = facts.products.get(dtype)
    if product is None:
        return skip(f"the cards do not compute in {dtype}; models run in float32")
    detail = _described(product)
    if "tf32" in facts.products and dtype == "float32":
        detail += f"\nwith TF32: {_described(facts.products['tf32'])}"
    if product["error"] <= LARGEST_ERROR[dtype]:
        return ok(detail, **product)
    measured = {**product, "error": product["error"] if math.isfinite(product["error"]) else None}
    return fail(
        f"{detail}; at most {LARGEST_ERROR[dtype]:.0e} was expected",
        "The results of this device are wrong. See gpu-health, lower its clocks, update its driver; "
        "have it replaced if that does not help.",
        **measured,
    )


def check_vram(settings: Settings, *, torch: Callable[[], TorchFacts], kind: ModelKind) -> Result:
    """Whether the free memory of the card is enough for the model."""
    source = settings.embedder if kind == "embedder" else settings.segmenter
    return judge_vram(torch(), kind, source, settings.device)


def judge_vram(facts: TorchFacts, kind: ModelKind, source: str, device: str) -> Result:
    """Compare what is free with an estimate of what a model takes.

    A checkpoint holds float32; cards from compute capability 8.0 hold it in half as much.
    """
    if not facts.cards or device == "cpu":
        return skip("torch uses no card" if not facts.cards else "KOMADORI_DEVICE is cpu")
    spec = spec_of(source)
    if spec is None:
        return skip(f"the size of {source} is not known beforehand")
    number = device.partition(":")[2]
    chosen = facts.cards[int(number) :][:1] if number.isdigit() else facts.cards
    if not chosen:
        last = len(facts.cards) - 1
        return fail(f"KOMADORI_DEVICE is {device}, but the cards are 0 to {last}", "Use device auto.")
    card = max(chosen, key=lambda card: card.free_bytes)
    weights = spec.approx_bytes / (2 if card.capability >= (8, 0) else 1)
    need = weights + CONTEXT_BYTES + ACTIVATION_BYTES[kind]
    have = f"{card.name} has {card.free_bytes / 1e9:.1f} of {card.total_bytes / 1e9:.1f} GB free"
    detail = f"{spec.name} takes about {need / 1e9:.1f} GB, {have}"
    if card.total_bytes < weights + CONTEXT_BYTES:
        return fail(detail, f"Use a smaller model. {_CPU_INSTEAD}")
    if card.free_bytes < need:
        return warn(detail, "If this worker runs, it holds what is missing; else end what does (gpu-memory).")
    return ok(detail)


def _parse_card(facts: Mapping[str, Any]) -> TorchCard:
    major, minor = facts["capability"]
    return TorchCard(facts["name"], (major, minor), facts["free_bytes"], facts["total_bytes"])


def _described(product: Mapping[str, Any]) -> str:
    return (
        f"error {product['error']:.1e} against float64, {product['tflops']:.3g} TFLOP/s on "
        f"{product['device']} ({product['size']} x {product['size']})"
    )


def _hidden() -> str:
    """The remedy where the environment hides cards from CUDA, which otherwise looks like a broken driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if hidden is None else f"Unset CUDA_VISIBLE_DEVICES ({hidden!r}), or name a card that is there."


def _runs_on(arch: str, capability: tuple[int, int]) -> bool:
    own = _arch(arch)
    if arch.endswith("a"):
        return own == capability
    if arch.startswith("compute_") and not arch.endswith("f"):
        return own <= capability
    return own[0] == capability[0] and own[1] <= capability[1]


def _arch(name: str) -> tuple[int, int]:
    """(9, 0) of ``sm_90``, ``sm_90a`` or ``compute_90``, (12, 0) of ``sm_120``."""
    digits = "".join(letter for letter in name.partition("_")[2] if letter.isdigit()) or "00"
    return int(digits[:-1]), int(digits[-1])


def _pair(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor.partition(".")[0] or 0)
