"""Which device and number format is chosen, and which are refused."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
import torch

from komadori import demo_models
from komadori.core.device_turns import DeviceTurns
from komadori.core.errors import DependencyError, InputError, ModelError, NotFoundError
from komadori.ml import torch_runtime
from komadori.ml.embedders import siglip2
from komadori.ml.local_folder import content_revision
from komadori.ml.torch_runtime import (
    choose_runtime,
    cpu_has_bf16,
    lock_name,
    lock_names,
    release_cached,
    require_safetensors,
)
from komadori.ml.turn_taking import loading_in_turn
from tests.support.checkpoints import SIGLIP2


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


@pytest.mark.parametrize(("card", "expected"), [("cuda:0", torch.float32), ("cuda:1", torch.bfloat16)])
def test_each_card_runs_in_what_it_computes_itself(
    card: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older and a newer card; torch answers for the current one."""
    current = [0]

    @contextmanager
    def make_current(device: torch.device) -> Iterator[None]:
        current.append(device.index)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device", make_current)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: current[-1] == 1)

    assert torch_runtime.fastest_dtype(torch.device(card)) == expected


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
    assert demo_models.names() == ["sam3-demo", "siglip2-demo"]


def test_an_unknown_demo_model_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="'nothing'") as error:
        demo_models.path("nothing")
    assert "siglip2-demo" in error.value.hint


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What torch says of two cards; only the second one's driver tells a UUID."""
    cards = [
        SimpleNamespace(pci_domain_id=0, pci_bus_id=0x41, pci_device_id=0),
        SimpleNamespace(uuid=UUID("ffc79498-8ff3-c2dc-3b0d-fafd804516ae")),
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: cards[index])
    return cards


@pytest.mark.usefixtures("two_cards")
def test_a_card_is_named_by_what_all_containers_see_alike() -> None:
    assert lock_name("cuda:1") == "gpu-ffc79498-8ff3-c2dc-3b0d-fafd804516ae"
    assert lock_name("cuda:0") == lock_name("cuda") == lock_name("auto") == "gpu-0-41-0"
    assert lock_names() == [lock_name("cuda:0"), lock_name("cuda:1")]


def test_cards_that_cannot_be_told_apart_share_a_name(two_cards: list[SimpleNamespace]) -> None:
    two_cards[0] = SimpleNamespace()
    assert lock_name("cuda:0") == "gpu-any"


def test_a_processor_has_no_name_and_nothing_to_release() -> None:
    assert lock_name("cpu") is None
    release_cached("cpu")


@pytest.mark.parametrize(("cached_share", "n_released"), [(0.05, 0), (0.2, 1)])
def test_memory_is_given_back_when_it_is_worth_it(
    two_cards: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch, cached_share: float, n_released: int
) -> None:
    two_cards[1].total_memory = 1000
    released: list[bool] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: two_cards[device.index])
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 300)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 300 + 1000 * cached_share)
    monkeypatch.setattr(torch.cuda, "device", lambda _device: nullcontext())
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: released.append(True))

    release_cached("cuda:1")

    assert len(released) == n_released


def test_weights_go_to_the_device_in_a_turn(tmp_path: Path) -> None:
    turns = DeviceTurns(tmp_path, "card")
    with loading_in_turn(turns):
        siglip2.create(SIGLIP2, device="cpu", engine="torch")
    assert turns.n_turns == 1
    assert turns.holder() is None
