"""How the facts that torch and the driver give are judged."""

import json
from dataclasses import replace

import pytest
import torch

from komadori.doctor import accelerator
from komadori.doctor.accelerator import TorchCard, TorchFacts
from komadori.doctor.nvidia import Driver
from komadori.doctor.report import Status
from komadori.ml import torch_probe
from komadori.ml.catalogue import ModelKind
from komadori.settings import Settings

CARD = TorchCard("NVIDIA L4", (8, 9), free_bytes=22_000_000_000, total_bytes=24_000_000_000)
PRODUCTS = {
    "float32": {"device": "cuda:0", "size": 2048, "error": 1.2e-6, "tflops": 21.0},
    "bfloat16": {"device": "cuda:0", "size": 2048, "error": 1.7e-3, "tflops": 90.0},
    "tf32": {"device": "cuda:0", "size": 2048, "error": 3.1e-4, "tflops": 45.0},
}
FACTS = TorchFacts(
    version="2.10.0+cu128",
    cuda=(12, 8),
    error="",
    arch_list=("sm_75", "sm_80", "sm_86", "sm_90", "compute_90"),
    cards=(CARD,),
    products=PRODUCTS,
)
CPU = replace(FACTS, version="2.13.0+cpu", cuda=None, arch_list=(), cards=())


def _driver(version: str, cuda: tuple[int, int]) -> Driver:
    return Driver(has_library=True, version=version, cuda=cuda)


@pytest.mark.parametrize(
    ("torch_cuda", "driver", "status"),
    [
        ((12, 8), _driver("550.54.15", (12, 4)), Status.OK),
        ((12, 8), _driver("530.30.02", (12, 1)), Status.OK),
        ((12, 8), _driver("580.65.06", (13, 0)), Status.OK),
        ((13, 0), _driver("580.65.06", (13, 0)), Status.OK),
        ((13, 2), _driver("580.65.06", (13, 0)), Status.OK),
        ((13, 0), _driver("570.86.10", (12, 8)), Status.FAIL),
        ((12, 8), _driver("470.82.01", (11, 4)), Status.FAIL),
        (None, _driver("550.54.15", (12, 4)), Status.WARN),
        ((12, 8), Driver(has_library=False), Status.SKIP),
    ],
)
def test_torch_and_driver_need_the_same_major_version_of_cuda(
    torch_cuda: tuple[int, int] | None, driver: Driver, status: Status
) -> None:
    assert accelerator.judge_driver(replace(FACTS, cuda=torch_cuda), driver).status is status


def test_the_remedy_for_a_driver_that_is_too_old_names_both_ways() -> None:
    result = accelerator.judge_driver(replace(FACTS, cuda=(13, 0)), _driver("550.54.15", (12, 4)))

    assert result.remedy == (
        "Update the driver to 580 or newer, or build the images with KOMADORI_TORCH=cu12."
    )


def test_cuda_that_does_not_start_although_the_versions_fit_fails() -> None:
    broken = replace(FACTS, cards=(), error="CUDA unknown error")

    result = accelerator.judge_driver(broken, _driver("550.54.15", (12, 4)))

    assert result.status is Status.FAIL
    assert "CUDA unknown error" in result.detail
    assert "nvidia-modprobe -u" in result.remedy


def test_cards_that_the_environment_hides_are_no_broken_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    hidden = replace(FACTS, cards=(), error="No CUDA GPUs are available")
    required = Settings(device="cuda", _env_file=None)

    for result in (
        accelerator.judge_driver(hidden, _driver("550.54.15", (12, 4))),
        accelerator.check_torch(required, torch=lambda: hidden),
    ):
        assert result.status is Status.FAIL
        assert "Unset CUDA_VISIBLE_DEVICES ('7')" in result.remedy


@pytest.mark.parametrize(
    ("capability", "arch_list", "status"),
    [
        ((8, 9), ("sm_80",), Status.OK),
        ((8, 0), ("sm_86",), Status.FAIL),
        ((9, 0), ("sm_80",), Status.FAIL),
        ((9, 0), ("sm_80", "compute_80"), Status.OK),
        ((9, 0), ("sm_90a",), Status.OK),
        ((12, 0), ("sm_90a", "sm_90"), Status.FAIL),
        ((12, 1), ("sm_120",), Status.OK),
        ((10, 3), ("sm_100f",), Status.OK),
        ((10, 3), ("sm_100a",), Status.FAIL),
        ((12, 0), ("sm_100f", "compute_100f"), Status.FAIL),
        ((6, 1), ("sm_75", "compute_90"), Status.FAIL),
        ((8, 9), (), Status.FAIL),
    ],
)
def test_which_cards_a_build_has_code_for(
    capability: tuple[int, int], arch_list: tuple[str, ...], status: Status
) -> None:
    facts = replace(FACTS, cards=(replace(CARD, capability=capability),), arch_list=arch_list)

    assert accelerator.judge_arch(facts).status is status


def test_a_card_that_is_newer_than_the_build_wants_a_newer_build() -> None:
    newer = replace(FACTS, cards=(replace(CARD, capability=(12, 0)),), arch_list=("sm_80", "sm_90"))
    older = replace(FACTS, cards=(replace(CARD, capability=(6, 1)),))

    assert "KOMADORI_TORCH=cu13" in accelerator.judge_arch(newer).remedy
    assert "KOMADORI_TORCH" not in accelerator.judge_arch(older).remedy


@pytest.mark.parametrize(
    ("dtype", "error", "status"),
    [
        ("float32", 1.2e-6, Status.OK),
        ("float32", 3.1e-4, Status.FAIL),
        ("float32", float("nan"), Status.FAIL),
        ("bfloat16", 1.7e-3, Status.OK),
        ("bfloat16", 0.4, Status.FAIL),
    ],
)
def test_a_product_may_be_as_wrong_as_rounding_makes_it(dtype: str, error: float, status: Status) -> None:
    facts = replace(FACTS, products={**PRODUCTS, dtype: {**PRODUCTS[dtype], "error": error}})

    result = accelerator.judge_product(facts, dtype)

    assert result.status is status
    assert result.facts["device"] == "cuda:0"
    assert "NaN" not in json.dumps(dict(result.facts)), "JSON has no such number"


def test_a_format_that_no_card_computes_in_is_not_judged() -> None:
    older = replace(FACTS, products={"float32": PRODUCTS["float32"]})

    assert accelerator.judge_product(older, "bfloat16").status is Status.SKIP


@pytest.mark.parametrize("error", [0.3, float("nan")])
@pytest.mark.parametrize("faulty", [0, 1, 2])
def test_the_worst_card_speaks_for_all(faulty: int, error: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def multiply(device: torch.device, _dtype: torch.dtype, size: int) -> torch_probe.Product:
        return torch_probe.Product(str(device), size, error if device.index == faulty else 1e-6, 1.0)

    monkeypatch.setattr(torch_probe, "multiply", multiply)
    monkeypatch.setattr(torch_probe, "fastest_dtype", lambda _device: torch.float32)

    worst = torch_probe.worst_products([torch.device("cuda", index) for index in range(3)])

    assert {name: product.device for name, product in worst.items()} == dict.fromkeys(
        ("float32", "tf32"), f"cuda:{faulty}"
    )


def test_a_product_says_how_tf32_does() -> None:
    assert accelerator.judge_product(FACTS, "float32").detail.splitlines() == [
        "error 1.2e-06 against float64, 21 TFLOP/s on cuda:0 (2048 x 2048)",
        "with TF32: error 3.1e-04 against float64, 45 TFLOP/s on cuda:0 (2048 x 2048)",
    ]


@pytest.mark.parametrize(
    ("kind", "source", "free", "total", "status"),
    [
        ("embedder", "google/siglip2-base-patch16-224", 22e9, 24e9, Status.OK),
        ("segmenter", "facebook/sam3", 22e9, 24e9, Status.OK),
        ("segmenter", "facebook/sam3", 3e9, 24e9, Status.WARN),
        ("segmenter", "facebook/sam3", 1.9e9, 2e9, Status.FAIL),
        ("embedder", "acme/unknown", 22e9, 24e9, Status.SKIP),
    ],
)
def test_free_memory_is_compared_with_what_a_model_takes(
    kind: ModelKind, source: str, free: float, total: float, status: Status
) -> None:
    card = replace(CARD, free_bytes=int(free), total_bytes=int(total))

    result = accelerator.judge_vram(replace(FACTS, cards=(card,)), kind, source, "auto")

    assert result.status is status


def test_the_chosen_card_is_the_one_that_counts() -> None:
    full = replace(CARD, free_bytes=1_000_000_000)
    facts = replace(FACTS, cards=(CARD, full))
    source = "facebook/sam3"

    assert accelerator.judge_vram(facts, "segmenter", source, "auto").status is Status.OK
    assert accelerator.judge_vram(facts, "segmenter", source, "cuda:1").status is Status.WARN
    assert accelerator.judge_vram(facts, "segmenter", source, "cuda:2").status is Status.FAIL
    assert accelerator.judge_vram(facts, "segmenter", source, "cpu").status is Status.SKIP


@pytest.mark.parametrize(
    ("facts", "device", "require_gpu", "status"),
    [
        (FACTS, "auto", True, Status.OK),
        (CPU, "auto", False, Status.OK),
        (CPU, "auto", True, Status.FAIL),
        (CPU, "cuda", False, Status.FAIL),
        (replace(FACTS, cards=(), error="no driver"), "cuda:0", False, Status.FAIL),
    ],
)
def test_a_card_is_only_missed_where_one_is_wanted(
    facts: TorchFacts, device: str, require_gpu: bool, status: Status
) -> None:
    settings = Settings(device=device, _env_file=None)

    result = accelerator.check_torch(settings, torch=lambda: facts, require_gpu=require_gpu)

    assert result.status is status


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_this_processor_multiplies_as_it_should(dtype: torch.dtype, largest: float) -> None:
    product = torch_probe.multiply(torch.device("cpu"), dtype, 128, rounds=1)

    assert 0 < product.error < largest
    assert product.tflops > 0


def test_torch_is_asked_in_a_process_of_its_own() -> None:
    facts = accelerator.read_torch()

    assert facts.version == torch.__version__
    assert set(facts.products) >= {"float32", "bfloat16"}
