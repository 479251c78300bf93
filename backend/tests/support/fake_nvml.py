"""A driver's library for machines without a card, compiled where there is a C compiler."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

_SOURCE = Path(__file__).with_name("fake_nvml.c")


@cache
def folder_of_library() -> Path:
    """The folder to put into LD_LIBRARY_PATH; skips the test where nothing can be compiled."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = Path(mkdtemp(prefix="komadori-nvml-"))
    library = folder / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(_SOURCE)]
    subprocess.run(command, check=True)
    return folder


def install(monkeypatch: pytest.MonkeyPatch, **answers: object) -> None:
    """Let processes that are started from now on find the library; ``rc=18`` sets FAKE_NVML_RC."""
    others = os.environ.get("LD_LIBRARY_PATH")
    path = [str(folder_of_library()), *([others] if others else [])]
    monkeypatch.setenv("LD_LIBRARY_PATH", ":".join(path))
    for name, value in answers.items():
        monkeypatch.setenv(f"FAKE_NVML_{name.upper()}", str(value))


def machine_with_card(root: Path) -> Path:
    """A file system with the device files of one card and its kernel module."""
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (root / "dev").mkdir(exist_ok=True, parents=True)
        (root / "dev" / name).touch()
    version = root / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    )
    return root
