"""The program ``verify_gpu.py``, and the checks of a host with Docker as stub programs on the PATH."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from komadori.doctor import container, host
from komadori.doctor.nvidia import Card, Driver
from komadori.doctor.report import Finding, Status, examine
from tests.support.fake_nvml import install

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_gpu.py"
BARE = [getattr(sys, "_base_executable", sys.executable), "-I", "-S"]
"""An interpreter that sees nothing but the standard library."""

INFO = {
    "ServerVersion": "28.2.2",
    "OperatingSystem": "Debian GNU/Linux 12",
    "Runtimes": {"runc": {}},
    "DockerRootDir": "/",
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH but for the shell's own programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for needed in ("sh", "cat"):
        (folder / needed).symlink_to(f"/bin/{needed}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _stub(folder: Path, name: str, *answers: tuple[str, str], status: int = 0) -> None:
    """A program that prints the text of the first pattern that its arguments match."""
    lines = [f"{pattern}) cat <<'END'\n{said}\nEND\n;;" for pattern, said in answers]
    stub = folder / name
    stub.write_text('#!/bin/sh\ncase "$*" in\n' + "\n".join(lines) + f"\nesac\nexit {status}\n")
    stub.chmod(0o755)


def _docker(folder: Path, compose: str = "2.40.3", **changes: Any) -> None:
    _stub(folder, "docker", ("info*", json.dumps(INFO | changes)), ("'compose version'*", compose))


def _host(*names: str) -> dict[str, Finding]:
    """Findings of some checks of a host, as if it had a card."""
    checks = [check for check in host.checks() if check.name in names]
    return {finding.check.name: finding for finding in examine(None, checks)}


def _run(
    command: list[str], *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOMADORI_")}
    return subprocess.run(
        [*command, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=kept | environment,
        timeout=280,
        check=False,
    )


def test_a_bare_interpreter_looks_at_the_host(tmp_path: Path, programs: Path) -> None:
    _docker(programs)

    done = _run(BARE, "--role", "host", "--json", cwd=tmp_path)

    report = json.loads(done.stdout)
    found = {check["id"]: check["status"] for check in report["checks"]}
    assert (done.returncode, done.stderr, report["ok"]) == (0, "", True)
    assert (found["system"], found["docker"], found["compose"]) == ("ok", "ok", "ok")
    assert found["gpu-device"] in ("ok", "skip")


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_the_python_of_a_host_may_be_older_or_newer(version: str, tmp_path: Path) -> None:
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"needs Python {version}")

    done = _run([python, "-I", "-S"], "--json", cwd=tmp_path)

    assert done.stderr == ""
    assert len(json.loads(done.stdout)["checks"]) == len(host.checks())


def test_a_bare_interpreter_says_that_other_roles_need_more(tmp_path: Path) -> None:
    done = _run(BARE, "--role", "siglip", cwd=tmp_path)

    assert done.returncode == 2
    assert "choose from" in done.stderr


def test_a_bare_interpreter_away_from_the_repository_says_what_to_run(tmp_path: Path) -> None:
    alone = tmp_path / "verify_gpu.py"
    alone.write_bytes(SCRIPT.read_bytes())

    done = subprocess.run([*BARE, str(alone)], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "/opt/komadori/bin/python" in done.stderr


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a card")
def test_a_gpu_that_is_required_and_missing_fails(tmp_path: Path, programs: Path) -> None:
    _docker(programs)

    plain, required = (_run(BARE, *options, cwd=tmp_path) for options in ((), ("--require-gpu",)))

    assert (plain.returncode, required.returncode) == (0, 1)
    assert "Do not use the GPU overlay here" in plain.stdout
    assert "FAIL gpu-device" in required.stdout


def test_with_the_packages_it_is_the_command_doctor(tmp_path: Path) -> None:
    settings = {
        "KOMADORI_HOME": str(tmp_path / "home"),
        "KOMADORI_URL": "http://127.0.0.1:9",
        "KOMADORI_BROKER_URL": "redis://:top-secret@127.0.0.1:9/0",
        "KOMADORI_EMBEDDER": "fake",
        "KOMADORI_SEGMENTER": "fake",
    }

    done = _run([sys.executable], "--role", "app", "--json", cwd=tmp_path, **settings)

    report = json.loads(done.stdout)
    found = {check["id"]: check["status"] for check in report["checks"]}
    assert done.returncode == 1
    assert (found["decoder"], found["broker"], found["queue-default"]) == ("ok", "fail", "skip")
    assert "top-secret" not in done.stdout + done.stderr
    assert _run([sys.executable], "--role", "nothing", cwd=tmp_path).returncode == 2


def test_a_host_that_has_all(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _docker(programs, Runtimes={"runc": {}, "nvidia": {}})
    _stub(programs, "nvidia-ctk", ("--version", "NVIDIA Container Toolkit CLI version 1.17.8"))
    _stub(programs, "nvidia-container-cli", ("info", "NVRM version: 550.54.15"))

    found = _host("docker", "compose", "gpu-toolkit", "gpu-runtime")

    assert [finding.result.detail for finding in found.values()] == [
        "Docker Engine 28.2.2, Debian GNU/Linux 12",
        "docker compose 2.40.3",
        "nvidia-ctk 1.17.8, nvidia-container-cli reaches the driver",
        "Docker has the runtime nvidia",
    ]


def test_docker_may_know_the_cards_by_cdi(programs: Path) -> None:
    _docker(programs, DiscoveredDevices=[{"Source": "cdi", "ID": "nvidia.com/gpu=all"}])

    assert _host("gpu-runtime")["gpu-runtime"].result.detail == "Docker knows nvidia.com/gpu=all by CDI"


@pytest.mark.usefixtures("programs")
def test_without_docker_nothing_of_it_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "is_inside", lambda: False)

    found = _host("docker", "compose", "docker-disk", "gpu-toolkit", "gpu-runtime")

    assert {finding.status for finding in found.values()} == {Status.SKIP}
    assert "docs.docker.com" in found["docker"].result.remedy


def test_a_slice_of_a_card_may_be_chosen_where_cards_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOMADORI_SIGLIP_GPU", "MIG-5a1ed3f3-5ee3-5bb0-9d4c-3f3ba7a1c1e0")
    monkeypatch.setenv("KOMADORI_SAM3_GPU", "0:1")
    whole, cut = (partial(Driver, has_library=True, cards=(Card(0, has_mig=mig),)) for mig in (False, True))

    assert host.check_choice(None, folder=tmp_path, driver=whole).status is Status.FAIL
    assert host.check_choice(None, folder=tmp_path, driver=cut).status is Status.OK


def test_a_docker_that_was_not_told_of_the_toolkit_fails(programs: Path) -> None:
    _docker(programs)

    finding = _host("gpu-runtime")["gpu-runtime"]

    assert finding.status is Status.FAIL
    assert "sudo nvidia-ctk runtime configure --runtime=docker" in finding.result.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start docker"),
    ],
)
def test_an_engine_that_does_not_answer(error: str, remedy: str, programs: Path) -> None:
    _docker(programs, ServerVersion="", ServerErrors=[error])

    found = _host("docker", "docker-disk")

    assert found["docker"].status is Status.FAIL
    assert remedy in found["docker"].result.remedy
    assert found["docker-disk"].status is Status.SKIP


def test_an_engine_may_only_complain_on_stderr(programs: Path) -> None:
    stub = programs / "docker"
    stub.write_text(
        "#!/bin/sh\necho '{\"ID\":\"\"}'\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
    )
    stub.chmod(0o755)

    finding = _host("docker")["docker"]

    assert (finding.status, finding.result.detail) == (Status.FAIL, "Cannot connect to the Docker daemon")


@pytest.mark.parametrize(
    ("version", "status"), [("2.23.3", Status.FAIL), ("v2.24.0", Status.OK), ("5.0.1", Status.OK)]
)
def test_the_version_of_compose(version: str, status: Status, programs: Path) -> None:
    _docker(programs, compose=version)

    assert _host("compose")["compose"].status is status


def test_compose_may_be_missing(programs: Path) -> None:
    _stub(programs, "docker", status=125)

    finding = _host("compose")["compose"]

    assert finding.status is Status.FAIL
    assert "docker-compose-plugin" in finding.result.remedy


def test_a_toolkit_that_cannot_reach_the_driver_fails(programs: Path) -> None:
    _stub(programs, "nvidia-ctk", ("--version", "NVIDIA Container Toolkit CLI version 1.17.8"))
    _stub(
        programs,
        "nvidia-container-cli",
        ("info", "initialization error: nvml error: driver not loaded"),
        status=1,
    )

    finding = _host("gpu-toolkit")["gpu-toolkit"]

    assert finding.status is Status.FAIL
    assert finding.result.detail.endswith("says: initialization error: nvml error: driver not loaded")


@pytest.mark.parametrize(
    ("file", "environment", "status"),
    [
        ("", {}, Status.OK),
        ("KOMADORI_SIGLIP_GPU=1\nKOMADORI_SAM3_GPU='0,1'\n", {}, Status.OK),
        ("KOMADORI_SAM3_GPU=GPU-0\n", {}, Status.OK),
        ("export KOMADORI_SAM3_GPU=2  # the large one\n", {}, Status.FAIL),
        ("KOMADORI_SAM3_GPU=2\n", {"KOMADORI_SAM3_GPU": "1"}, Status.OK),
        ("# KOMADORI_SAM3_GPU=7\n", {"KOMADORI_SIGLIP_GPU": "0,3"}, Status.FAIL),
    ],
)
def test_the_chosen_cards_must_exist(
    file: str, environment: dict[str, str], status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(file)
    for name in ("KOMADORI_SIGLIP_GPU", "KOMADORI_SAM3_GPU"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cards = tuple(Card(index, name="NVIDIA L4", uuid=f"GPU-{index}") for index in range(2))
    driver = partial(Driver, has_library=True, cards=cards)

    assert host.check_choice(None, folder=tmp_path, driver=driver).status is status


def test_the_cards_to_choose_from_are_those_that_the_driver_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, cards=2)
    monkeypatch.chdir(tmp_path)

    found = _host("gpu-cards", "gpu-memory", "gpu-choice")

    assert {finding.status for finding in found.values()} == {Status.OK}
    assert found["gpu-choice"].result.detail == "KOMADORI_SIGLIP_GPU=0, KOMADORI_SAM3_GPU=0"
