"""Which device and number format is chosen, and which are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from komadori import demo_models
from komadori.core.errors import DependencyError, InputError, ModelError, NotFoundError
from komadori.ml import torch_runtime
from komadori.ml.local_folder import content_revision
from komadori.ml.torch_runtime import choose_runtime, cpu_has_bf16, require_safetensors


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx2 avx512f", False), ("", False)],
)
def test_bfloat16_follows_the_flags_of_the_cpu(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")

    assert cpu_has_bf16(tmp_path / "cpuinfo") is expected


def test_a_machine_without_cpuinfo_counts_as_without_bfloat16(tmp_path: Path) -> None:
    assert cpu_has_bf16(tmp_path / "missing") is False


@pytest.mark.parametrize(("has_bf16", "name"), [(True, "cpu, bfloat16"), (False, "cpu, float32")])
def test_the_cpu_runs_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, name: str
) -> None:
    monkeypatch.setattr(torch_runtime, "cpu_has_bf16", lambda: has_bf16)

    assert choose_runtime("cpu").name == name


def test_auto_takes_the_cpu_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_runtime().device.type == "cpu"


def test_threads_are_set_for_the_process(threads: int) -> None:
    choose_runtime("cpu", threads=1)

    assert torch.get_num_threads() == 1


def test_no_threads_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1 thread, got 0"):
        choose_runtime("cpu", threads=0)


def test_a_gpu_that_is_not_there_is_a_missing_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(DependencyError, match="cuda:1") as error:
        choose_runtime("cuda:1")
    assert error.value.code == "no-device"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
def test_what_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="got"):
        choose_runtime(device)


def test_a_folder_that_is_not_there_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json") as error:
        require_safetensors(tmp_path / "missing")
    assert error.value.code == "checkpoint-not-found"


def test_the_hash_follows_the_weights_and_not_the_readme(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = content_revision(tmp_path)

    (tmp_path / "README.md").write_text("hello")
    assert content_revision(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert content_revision(tmp_path) != before


def test_the_demo_models_are_in_the_package() -> None:
    assert demo_models.names() == ["sam3-demo", "siglip2-demo", "siglip2-naflex-demo"]


def test_an_unknown_demo_model_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="'nothing'") as error:
        demo_models.path("nothing")
    assert "siglip2-demo" in error.value.hint
