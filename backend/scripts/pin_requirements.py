"""Write the pinned requirement files from what is installed in this environment.

    python backend/scripts/pin_requirements.py

Install the newest versions that ``pyproject.toml`` allows, run the tests, then run this:
the files name exactly what was tested. They hold no address of an index. Packages that
only some machines need, such as the CUDA libraries of torch, are left to pip.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_FOLDER = Path(__file__).parents[1] / "requirements"
_PROJECT = "komadori"
_BUILD = ("hatchling", "editables")
"""What builds the project itself, so that no build environment must be fetched."""

_ELSEWHERE = ("async-timeout==5.0.1; python_full_version < '3.11.3'",)
"""What only other versions of Python need, such as the 3.11.2 of Debian 12."""

_HEAD = "# Written by scripts/pin_requirements.py from a tested environment. Do not edit.\n"


def closure(name: str, extras: set[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """The canonical names of everything that a distribution needs and has installed, itself included."""
    for extra in ("", *sorted(extras)):
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            return
        yield name
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield from closure(canonicalize_name(requirement.name), requirement.extras, seen)


def pins(extras: set[str], also: tuple[str, ...] = ()) -> list[str]:
    """``name==version`` of all that the project needs with these extras, sorted."""
    seen: set[tuple[str, str]] = set()
    names = set(closure(_PROJECT, extras, seen))
    for name in also:
        names.update(closure(name, set(), seen))
    return [f"{name}=={_public_version(name)}" for name in sorted(names - {_PROJECT})]


def _public_version(name: str) -> str:
    """Without the local part, such as ``+cpu``: pip then takes the build that fits the machine."""
    return re.sub(r"\+.*", "", distribution(name).version)


def main() -> None:
    """Write ``local.txt`` (to run everything on one machine) and ``dev.txt`` (to work on it)."""
    local = pins({"local", "demo"}, _BUILD)
    dev = [pin for pin in pins({"local", "demo", "dev"}, _BUILD) if pin not in local]
    (_FOLDER / "local.txt").write_text(_HEAD + "\n".join([*local, *_ELSEWHERE]) + "\n", encoding="utf-8")
    (_FOLDER / "dev.txt").write_text(_HEAD + "-r local.txt\n" + "\n".join(dev) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
