"""What torch sees and how it computes here, printed as JSON: a program of its own.

``python -m komadori.ml.torch_probe`` is what the doctor runs, and kills when a driver hangs in it.
A product of random matrices is compared with the same in float64, on each card: one that only
pretends to work, or whose memory is faulty, does not pass for a sound one.
"""

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from komadori.ml.torch_runtime import fastest_dtype

_SIZE_CPU, _SIZE_CUDA = 768, 2048
_ROUNDS = 10
_SEED = 20260131


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product of one number format.

    Attributes:
        device: Where it was computed: "cpu", "cuda:0".
        size: Of the square matrices.
        error: ||got - expected|| / ||expected||, against float64, of inputs exact in the format.
        tflops: Speed, 1e12 operations in a second.
    """

    device: str
    size: int
    error: float
    tflops: float


def probe() -> dict[str, Any]:
    """All facts; ``error`` says why CUDA cannot be used, where it should be."""
    error = _cuda_error()
    has_cuda = torch.cuda.is_available() and not error
    n_cards = torch.cuda.device_count() if has_cuda else 0
    devices = [torch.device("cuda", index) for index in range(n_cards)] or [torch.device("cpu")]
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "error": error,
        "arch_list": torch.cuda.get_arch_list() if has_cuda else [],
        "cards": [_card(index) for index in range(n_cards)],
        "products": {name: asdict(product) for name, product in worst_products(devices).items()},
    }


def multiply(device: torch.device, dtype: torch.dtype, size: int, rounds: int = _ROUNDS) -> Product:
    """Multiply matrices of standard normal numbers, and compare with float64."""
    generator = torch.Generator().manual_seed(_SEED)
    left, right = (torch.randn(size, size, generator=generator).to(dtype) for _ in range(2))
    expected = left.double() @ right.double()
    left, right = left.to(device), right.to(device)
    got = left @ right  # the first one also prepares the kernel
    _wait(device)
    started_s = time.perf_counter()
    for _ in range(rounds):
        torch.matmul(left, right, out=got)
    _wait(device)
    took_s = time.perf_counter() - started_s
    error = torch.linalg.norm(got.cpu().double() - expected) / torch.linalg.norm(expected)
    return Product(str(device), size, float(error), 2 * size**3 * rounds / took_s / 1e12)


def worst_products(devices: Sequence[torch.device]) -> dict[str, Product]:
    """By number format the product of the device that was furthest from the truth."""
    found = [_products(device) for device in devices]
    return {
        name: max((products[name] for products in found if name in products), key=_wrongness)
        for name in sorted(set().union(*found))
    }


def _wrongness(product: Product) -> float:
    return math.inf if math.isnan(product.error) else product.error


def _products(device: torch.device) -> dict[str, Product]:
    """Of the formats that models use there: a card that has no bfloat16 runs them in float32."""
    size = _SIZE_CUDA if device.type == "cuda" else _SIZE_CPU
    torch.set_float32_matmul_precision("highest")
    products = {"float32": multiply(device, torch.float32, size)}
    if device.type == "cpu" or fastest_dtype(device) == torch.bfloat16:
        products["bfloat16"] = multiply(device, torch.bfloat16, size)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        products["tf32"] = multiply(device, torch.float32, size)
    return products


def _cuda_error() -> str:
    """Why a build with CUDA cannot start it; empty where it can, or for a build without."""
    if torch.version.cuda is None:
        return ""
    try:
        torch.cuda.init()
    except Exception as exc:  # noqa: BLE001  (whatever it is, it is what we are here to tell)
        return str(exc).strip().partition("\n")[0]
    return ""


def _card(index: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    return {
        "name": torch.cuda.get_device_name(index),
        "capability": list(torch.cuda.get_device_capability(index)),
        "free_bytes": free,
        "total_bytes": total,
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
