"""The checks of the card through the real way to the driver: a process, ctypes, a library in C.

The library is a small one that answers what a test wants, since there is no card here.
"""

import os
from pathlib import Path

import pytest

from komadori.doctor import container, nvidia
from komadori.doctor.report import Check, Finding, Status, examine
from komadori.settings import Settings
from tests.support.fake_nvml import install, machine_with_card


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine_with_card(tmp_path / "root")


def _findings(root: Path, *, require_gpu: bool = False) -> dict[str, Finding]:
    checks: list[Check] = nvidia.checks(require_gpu=require_gpu, root=root)
    return {finding.check.name: finding for finding in examine(None, checks)}


def _pci_device(root: Path, vendor: str, kind: str) -> None:
    device = root / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")


def test_two_sound_cards(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cards=2)

    found = _findings(root)

    assert {finding.status for finding in found.values()} <= {Status.OK}
    assert found["gpu-driver"].result.detail == "driver 550.54.15, runs CUDA 12.x (made for 12.4)"
    assert found["gpu-cards"].result.detail.splitlines() == [
        "0 NVIDIA L4, 24.0 GB, compute capability 8.9",
        "1 NVIDIA L4, 24.0 GB, compute capability 8.9",
    ]
    assert found["gpu-memory"].result.facts == {"free_bytes": [24_000_000_000, 24_000_000_000]}


def test_a_driver_that_was_updated_while_it_ran_needs_a_reboot(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, rc=18)

    found = _findings(root)

    assert found["gpu-driver"].status is Status.FAIL
    assert found["gpu-driver"].result.detail == (
        "Driver/library version mismatch: the kernel runs module 535.104.05"
    )
    assert "sudo reboot" in found["gpu-driver"].result.remedy
    assert found["gpu-cards"].result.detail == "needs gpu-driver"


@pytest.mark.parametrize(("rc", "remedy"), [(9, "modprobe nvidia"), (17, "nvidia-smi"), (999, "nvidia-smi")])
def test_what_else_a_driver_may_refuse_with(
    rc: int, remedy: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, rc=rc)

    finding = _findings(root)["gpu-driver"]

    assert finding.status is Status.FAIL
    assert remedy in finding.result.remedy


def test_a_container_that_lost_its_devices_is_to_be_started_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVML then fails with "Unknown Error": NVIDIA/nvidia-container-toolkit#48."""
    install(monkeypatch, rc=999)
    (root / ".dockerenv").touch()

    finding = _findings(root)["gpu-driver"]

    assert finding.status is Status.FAIL
    assert "docker compose restart" in finding.result.remedy


@pytest.mark.parametrize("answers", [{"rc": 17}, {"cuda": 11040}])
def test_the_driver_of_wsl_is_that_of_windows(
    answers: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that Windows blocks: microsoft/WSL#10289."""
    install(monkeypatch, **answers)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()

    finding = _findings(tmp_path)["gpu-driver"]

    assert finding.status is Status.FAIL
    assert "wsl --update" in finding.result.remedy
    assert "apt" not in finding.result.remedy


def test_wsl_on_a_machine_without_an_nvidia_card_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()

    plain, required = _findings(tmp_path), _findings(tmp_path, require_gpu=True)

    assert plain["gpu-driver"].status is Status.SKIP
    assert plain["gpu-cards"].result.detail == "needs gpu-driver"
    assert required["gpu-driver"].status is Status.FAIL


def test_a_jetson_has_a_card_without_nvml(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvmap").touch()

    found = _findings(tmp_path)

    assert (found["gpu-device"].status, found["gpu-driver"].status) == (Status.OK, Status.SKIP)


def test_who_chose_the_processor_is_told_of_no_card(tmp_path: Path) -> None:
    without = nvidia.check_device(Settings(device="cpu", _env_file=None), root=tmp_path)
    assert "no NVIDIA GPU" in without.detail
    _pci_device(tmp_path, "0x10de", "0x030200")
    processor = Settings(device="cpu", _env_file=None)

    assert nvidia.check_device(processor, root=tmp_path).status is Status.SKIP
    assert nvidia.check_device(processor, require_gpu=True, root=tmp_path).status is Status.FAIL


def test_a_driver_that_tells_no_memory_is_not_said_to_have_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of cards that share the memory of the machine."""
    install(monkeypatch, no_memory=1)

    found = _findings(root)

    assert found["gpu-cards"].result.detail.startswith("0 NVIDIA L4, its driver tells no memory, ")
    assert found["gpu-memory"].result.detail.startswith("0 NVIDIA L4: its driver tells no memory")


def test_a_driver_that_never_answers_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, hang=1)
    monkeypatch.setattr(nvidia, "_ANSWER_S", 1.0)

    finding = _findings(root)["gpu-driver"]

    assert finding.status is Status.FAIL
    assert finding.result.detail == "Expected an answer of the NVIDIA driver within 1 s, got none."
    assert "dmesg" in finding.result.remedy


def test_an_old_driver_fails_with_the_version_that_is_needed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, driver="470.82.01", cuda=11040)

    finding = _findings(root)["gpu-driver"]

    assert finding.result.detail == "driver 470.82.01 knows CUDA 11.4 at most, and 12.1 is needed"
    assert finding.result.facts == {"driver": "470.82.01", "cuda": "11.4"}
    assert finding.status is Status.FAIL


def test_a_lost_card_fails_and_the_others_are_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cards=2, lost=1)

    finding = _findings(root)["gpu-cards"]

    assert finding.status is Status.FAIL
    assert finding.result.detail.splitlines()[1] == "1: GPU is lost"


def test_no_card_that_the_driver_shows_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cards=0)

    assert _findings(root)["gpu-cards"].status is Status.FAIL


def test_slices_of_a_card_are_a_warning(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mig=1)

    finding = _findings(root)["gpu-cards"]

    assert finding.status is Status.WARN
    assert "MIG is on" in finding.result.detail


def test_who_has_the_memory_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, used=20_000_000_000)

    finding = _findings(root)["gpu-memory"]

    assert finding.status is Status.WARN
    assert finding.result.detail.startswith("0 NVIDIA L4: 4.0 GB of 24.0 GB free; used by ")
    assert finding.result.detail.endswith("20.0 GB, another (4000000000)")


@pytest.mark.parametrize(("fault", "status"), [("ecc", Status.WARN), ("remap_failed", Status.FAIL)])
def test_memory_errors_are_told(
    fault: str, status: Status, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, **{fault: 1})

    assert _findings(root)["gpu-health"].status is status


def test_a_kernel_message_about_the_card_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    programs = tmp_path / "bin"
    programs.mkdir()
    dmesg = programs / "dmesg"
    dmesg.write_text(
        "#!/bin/sh\necho '[ 12.3] NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.'\n"
    )
    dmesg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    finding = _findings(root)["gpu-health"]

    assert finding.status is Status.WARN
    assert "79, GPU has fallen off the bus" in finding.result.detail


def test_without_the_library_the_driver_is_to_be_installed(root: Path) -> None:
    finding = _findings(root)["gpu-driver"]

    assert finding.status is Status.FAIL
    assert "libnvidia-ml.so.1" in finding.result.detail
    assert "apt install nvidia-driver" in finding.result.remedy


def test_without_a_card_it_says_so_and_what_to_run(tmp_path: Path) -> None:
    _pci_device(tmp_path, "0x8086", "0x030000")
    found = _findings(tmp_path)

    assert {finding.status for finding in found.values()} == {Status.SKIP}
    assert found["gpu-device"].result.detail == "there is no NVIDIA GPU here: models run on the CPU"
    assert "Do not use the GPU overlay here: `make up`" in found["gpu-device"].result.remedy


def test_without_a_card_it_fails_where_one_is_required(tmp_path: Path) -> None:
    assert _findings(tmp_path, require_gpu=True)["gpu-device"].status is Status.FAIL


def test_a_card_without_a_driver_is_told(tmp_path: Path) -> None:
    _pci_device(tmp_path, "0x10de", "0x030200")

    found = _findings(tmp_path)

    assert found["gpu-device"].status is Status.WARN
    assert "apt install nvidia-driver" in found["gpu-device"].result.remedy
    assert found["gpu-driver"].status is Status.SKIP


def test_a_card_that_a_container_was_not_given_is_told(tmp_path: Path) -> None:
    _pci_device(tmp_path, "0x10de", "0x030200")
    (tmp_path / ".dockerenv").touch()

    finding = _findings(tmp_path, require_gpu=True)["gpu-device"]

    assert finding.status is Status.FAIL
    assert "make up-gpu" in finding.result.remedy


def test_a_card_without_the_file_for_cuda_is_a_warning(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    (root / "dev/nvidia-uvm").unlink()

    finding = _findings(root)["gpu-device"]

    assert finding.status is Status.WARN
    assert "nvidia-modprobe -u" in finding.result.remedy


def test_the_card_of_windows_is_seen(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()

    assert nvidia.check_device(None, root=tmp_path).status is Status.OK


@pytest.mark.parametrize(
    ("visible", "given", "status"),
    [
        ("", "", Status.SKIP),
        ("0", "compute,utility", Status.OK),
        ("all", "all", Status.OK),
        ("0", "utility", Status.WARN),
        ("void", "", Status.SKIP),
    ],
)
def test_what_a_container_was_given_is_judged_by_its_variables(
    visible: str, given: str, status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dockerenv").touch()
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("NVIDIA_DRIVER_CAPABILITIES", given)

    assert container.check_gpu_variables(None, root=tmp_path).status is status


def test_a_card_given_by_cdi_has_no_variables(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".dockerenv").touch()
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")

    assert container.check_gpu_variables(None, root=root).status is Status.OK


@pytest.mark.parametrize(
    ("file", "said", "status"),
    [
        ("sys/fs/cgroup/memory.max", "max", Status.OK),
        ("sys/fs/cgroup/memory.max", "2000000000", Status.WARN),
        ("sys/fs/cgroup/memory.max", "16000000000", Status.OK),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712", Status.OK),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000000", Status.WARN),
    ],
)
def test_the_memory_limit_of_both_kinds_of_control_groups(
    file: str, said: str, status: Status, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{said}\n")

    assert container.check_memory(None, root=tmp_path).status is status


def test_a_container_is_known_by_its_control_group(tmp_path: Path) -> None:
    assert not container.is_inside(tmp_path)
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text("0::/docker/1234\n")
    assert container.is_inside(tmp_path)
