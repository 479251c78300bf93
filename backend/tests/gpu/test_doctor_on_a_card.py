"""The doctor on a real card: everything about it is well."""

import pytest
import torch

from komadori.doctor import accelerator, nvidia
from komadori.doctor.report import Status, examine
from komadori.settings import Settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]


def test_card_driver_and_torch_are_well() -> None:
    driver = nvidia.ask_once()
    checks = [
        *nvidia.checks(require_gpu=True, driver=driver),
        *accelerator.checks(require_gpu=True, driver=driver),
    ]

    findings = examine(Settings(_env_file=None), checks)

    failed = [
        f"{finding.check.name}: {finding.result}" for finding in findings if finding.status is Status.FAIL
    ]
    assert failed == []
    assert {finding.check.name: finding.status for finding in findings}["torch-arch"] is Status.OK


def test_nvml_and_torch_see_the_same_memory() -> None:
    by_driver = [card.total_bytes for card in nvidia.read_driver().cards]
    by_torch = [card.total_bytes for card in accelerator.read_torch().cards]

    assert by_torch
    for seen in by_torch:
        assert any(0.9 < seen / total <= 1 for total in by_driver)


def test_products_of_the_card_are_exact_and_tf32_is_not() -> None:
    facts = accelerator.read_torch()

    assert facts.products["float32"]["device"].startswith("cuda:")
    assert facts.products["float32"]["error"] < 1e-5 < facts.products["tf32"]["error"] < 1e-2
    assert facts.products["bfloat16"]["tflops"] > facts.products["float32"]["tflops"]
