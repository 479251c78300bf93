"""Write the locked requirement sets of the container images, each resolved by itself.

    python backend/scripts/lock_images.py [--cpu-wheels FOLDER_OR_URL] [--upgrade] [NAME...]

One complete set of exact, hashed versions for each image and build of torch, one for the stage
that builds our wheel, and one for that which builds the web UI. They are for Linux on x86_64 with
glibc 2.28 or newer and for Python 3.11, and hold no address of an index. A version that still fits
is kept; ``--upgrade`` takes the newest ones. The CPU build of torch is on no default index:
``--cpu-wheels``, or the variable ``KOMADORI_CPU_WHEELS``, names a folder or page that has its wheel.

The resolver is uv, from the ``PATH`` or named by the variable ``UV``. Keep it in an environment of
its own: ``python -m venv ~/uv && ~/uv/bin/pip install uv``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from komadori.core.errors import DependencyError, InputError, KomadoriError

BACKEND = Path(__file__).resolve().parents[1]
FOLDER = BACKEND / "requirements" / "images"

_RESOLVE = (
    "--generate-hashes",
    "--only-binary=:all:",  # nothing is compiled in an image
    "--python-version=3.11",
    "--python-platform=x86_64-manylinux_2_28",
    "--no-config",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--custom-compile-command=python backend/scripts/lock_images.py",
    "--quiet",
)
"""How every set is resolved, whatever the machine or its user has set."""


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """What one image with one build of torch is locked to.

    Attributes:
        name: The file's name without its suffix.
        extras: The extras of ``pyproject.toml`` that the image takes.
        torch: The versions of torch that make the build: 2.10 is the last whose wheels bring CUDA 12.
    """

    name: str
    extras: tuple[str, ...]
    torch: str | None = None

    @property
    def needs_cpu_wheels(self) -> bool:
        """Whether its torch is on no default index."""
        return self.torch is not None and self.torch.endswith("+cpu")


_CUDA_12, _CUDA_13, _CPU = "torch>=2.10,<2.11", "torch==2.13.0", "torch==2.13.0+cpu"

SETS = (
    RequirementSet("app", ("cpu-worker", "search", "postgres")),
    RequirementSet("siglip-cu12", ("siglip", "postgres"), _CUDA_12),
    RequirementSet("siglip-cu13", ("siglip", "postgres"), _CUDA_13),
    RequirementSet("siglip-cpu", ("siglip", "openvino", "postgres"), _CPU),
    RequirementSet("sam3-cu12", ("sam3", "postgres"), _CUDA_12),
    RequirementSet("sam3-cu13", ("sam3", "postgres"), _CUDA_13),
    RequirementSet("sam3-cpu", ("sam3", "postgres"), _CPU),
)
BUILD = "build"
"""The set of the stage that builds our wheel: ``build-system.requires`` of ``pyproject.toml``."""

NODE = "node"
"""The set of the stage that builds the web UI: what ``requirements/node.txt`` pins."""


def lock(wanted: RequirementSet, *, cpu_wheels: str | None, options: Sequence[str] = ()) -> None:
    """Resolve one set and write its file.

    Raises:
        InputError: It needs the CPU build of torch and nothing says where that is.
        DependencyError: There is no uv, or it found no set of versions.
    """
    command = ["pyproject.toml", *(f"--extra={extra}" for extra in wanted.extras), *options]
    if wanted.needs_cpu_wheels:
        if not cpu_wheels:
            raise InputError(
                f"The set {wanted.name} needs the CPU build of torch, which is on no default index.",
                hint="Give --cpu-wheels a folder or page that has its wheel, or name the sets to write.",
            )
        command.append(f"--find-links={cpu_wheels}")
    _resolve(command + (["--constraints=-"] if wanted.torch else []), wanted.torch or "", wanted.name)


def lock_build(options: Sequence[str] = ()) -> None:
    """Resolve what builds our wheel and write its file.

    Raises:
        DependencyError: There is no uv, or it found no set of versions.
    """
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text(encoding="utf-8"))
    _resolve(["-", *options], "\n".join(project["build-system"]["requires"]), BUILD)


def lock_node(options: Sequence[str] = ()) -> None:
    """Resolve what builds the web UI and write its file.

    Raises:
        DependencyError: There is no uv, or it found no set of versions.
    """
    pin = (BACKEND / "requirements" / "node.txt").read_text(encoding="utf-8")
    _resolve(["-", *options], pin, NODE)


def _resolve(arguments: Sequence[str], standard_input: str, name: str) -> None:
    """Run uv in the backend folder; it keeps the versions that the file has where they fit."""
    # UV_FIND_LINKS would offer the CPU build of torch to the sets for CUDA.
    environment = {key: value for key, value in os.environ.items() if key != "UV_FIND_LINKS"}
    done = subprocess.run(
        [_uv(), "pip", "compile", *arguments, *_RESOLVE, f"--output-file={FOLDER / name}.txt"],
        cwd=BACKEND,
        input=standard_input + "\n",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DependencyError(
            f"Expected versions for the set {name}, got from uv: {done.stderr.strip()}",
            hint="Change the ranges in pyproject.toml, or try again when the index can be reached.",
        )


def _uv() -> str:
    found = shutil.which(os.environ.get("UV") or "uv")
    if found is None:
        raise DependencyError(
            "Expected uv, which resolves the sets, on the PATH or in the variable UV; it is not there.",
            hint="python -m venv ~/uv && ~/uv/bin/pip install uv, then set UV=~/uv/bin/uv.",
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says: the exit code."""
    names = [one.name for one in SETS] + [BUILD, NODE]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all when none is named"
    )
    parser.add_argument("--cpu-wheels", default=os.environ.get("KOMADORI_CPU_WHEELS"))
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(names)):
        parser.error(f"expected names out of {', '.join(names)}; got {', '.join(unknown)}")
    wanted = set(given.names or names)
    options = ["--upgrade"] if given.upgrade else []
    try:
        for one in SETS:
            if one.name in wanted:
                lock(one, cpu_wheels=given.cpu_wheels, options=options)
        if BUILD in wanted:
            lock_build(options)
        if NODE in wanted:
            lock_node(options)
    except KomadoriError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
