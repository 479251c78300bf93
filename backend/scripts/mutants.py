"""Plants faults into a copy of the package, one at a time, and shows which test catches each.

    python -m scripts.mutants [--jobs N] [--only WORDS] [--tests PATH...]

A fault is a text that stands once in a file, and another one in its place (``mutants.toml``). The tests
run with an interpreter that finds the copy and not this checkout, in all processes that they start.
Ends with 0 when every fault is caught, else with 1.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

BACKEND = Path(__file__).parents[1]
SOURCE = BACKEND / "src"
FAULTS = Path(__file__).with_suffix(".toml")

LONGEST_S = 900
_ALL_PASSED, _SOME_FAILED = 0, 1
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that somebody could make.

    Attributes:
        name: What it is, for people.
        file: Relative to the package.
        before: What stands in the file, once.
        after: What a mistaken programmer would have written.
        tests: Those of which at least one must fail, the quickest first.
    """

    name: str
    file: str
    before: str
    after: str
    tests: Sequence[str]

    def planted(self, text: str) -> str:
        """The contents of the file with the fault.

        Raises:
            ValueError: What the fault replaces does not stand in it exactly once.
        """
        n = text.count(self.before)
        if n != 1:
            raise ValueError(f"{self.name}: expected its text once in {self.file}, found it {n} times")
        return text.replace(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said to a fault.

    Attributes:
        fault: Which.
        caught_by: The test that failed first; None when all passed.
        problem: Why the tests say nothing, such as a fault that keeps the package from being imported.
        seconds: How long it took.
    """

    fault: Fault
    caught_by: str | None
    problem: str | None
    seconds: float

    @property
    def is_caught(self) -> bool:
        """Whether a test failed because of it."""
        return self.caught_by is not None

    def __str__(self) -> str:
        said = self.caught_by or (f"?? {self.problem}" if self.problem else "-- NOTHING: it survives")
        return f"{self.fault.name:<54} {self.fault.file:<36} {self.seconds:>4.0f} s  {said}"


class Workshop:
    """A copy of the package, and an interpreter to which it is the package.

    Args:
        folder: Where to make both; empty.
    """

    def __init__(self, folder: Path) -> None:
        self._source = folder / "src"
        self._examples = folder / "hypothesis"
        shutil.copytree(SOURCE, self._source)
        builder = venv.EnvBuilder(symlinks=True, with_pip=False)
        builder.create(folder / "python")
        self._python = folder / "python" / "bin" / "python"
        packages = sysconfig.get_path("purelib", "venv", {"base": str(folder / "python")})
        # What lies in a folder named here is found; the file that leads to this checkout is not read there.
        here = [
            str(self._source),
            *dict.fromkeys(sysconfig.get_paths()[key] for key in ("purelib", "platlib")),
        ]
        Path(packages, "workshop.pth").write_text("\n".join(here) + "\n", encoding="utf-8")
        self._check()
        self._n_planted = 0

    def test(self, tests: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run tests on the copy, until the first one fails."""
        command = [str(self._python), "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, *tests],
            cwd=BACKEND,
            env=_environment() | {"HYPOTHESIS_STORAGE_DIRECTORY": str(self._examples)},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    def try_out(self, fault: Fault, tests: Sequence[str]) -> Verdict:
        """Plant a fault, run tests, and take it out again."""
        path = self._source / "komadori" / fault.file
        original = SOURCE / "komadori" / fault.file
        begun_s = time.monotonic()
        path.write_text(fault.planted(original.read_text("utf-8")), encoding="utf-8")
        # Compiled files are known by the time of their source in whole seconds, so each fault has its own.
        self._n_planted += 1
        os.utime(path, (self._n_planted, self._n_planted))
        try:
            done = self.test(tests)
        except subprocess.TimeoutExpired:
            return Verdict(fault, None, f"no end after {LONGEST_S} s", time.monotonic() - begun_s)
        finally:
            shutil.copy2(original, path)
        return _verdict(fault, done, time.monotonic() - begun_s)

    def _check(self) -> None:
        """See that the copy is what processes import, also those that look at no variables."""
        code = "import komadori; print(komadori.__file__)"
        command = [str(self._python), "-I", "-c", code]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if not Path(found).is_relative_to(self._source):
            raise RuntimeError(f"expected the package from {self._source}, got {found}")


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """The faults of a list."""
    with path.open("rb") as file:
        return [Fault(**entry) for entry in tomllib.load(file)["fault"]]


def main(argv: Sequence[str] | None = None) -> int:
    """Try all faults, or some, and print what caught each: the exit status."""
    options = _parser().parse_args(argv)
    faults = [fault for fault in read_faults(options.faults) if options.only in fault.name]
    if not faults:
        print(f"No fault is called {options.only!r}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="komadori-mutants-") as folder:
        workshops = [Workshop(Path(folder) / str(number)) for number in range(options.jobs)]
        wanted = {fault.name: options.tests or fault.tests for fault in faults}
        if not _passes(
            workshops[0], list(dict.fromkeys(test for tests in wanted.values() for test in tests))
        ):
            return 1
        verdicts = _try_all(workshops, faults, wanted)
    n_left = sum(not verdict.is_caught for verdict in verdicts)
    print(f"\n{len(verdicts) - n_left} of {len(verdicts)} faults are caught.", flush=True)
    return 1 if n_left else 0


def _try_all(
    workshops: Sequence[Workshop], faults: Sequence[Fault], wanted: dict[str, Sequence[str]]
) -> list[Verdict]:
    idle: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
    for workshop in workshops:
        idle.put(workshop)

    def try_one(fault: Fault) -> Verdict:
        workshop = idle.get()
        try:
            return workshop.try_out(fault, wanted[fault.name])
        finally:
            idle.put(workshop)

    print(f"{'fault':<54} {'file':<36} {'time':>6}  caught by", flush=True)
    verdicts = []
    with ThreadPoolExecutor(len(workshops)) as pool:
        for verdict in pool.map(try_one, faults):
            verdicts.append(verdict)
            print(verdict, flush=True)
    return verdicts


def _passes(workshop: Workshop, tests: Sequence[str]) -> bool:
    """Whether the tests pass without any fault; says what failed when not."""
    begun_s = time.monotonic()
    done = workshop.test(tests)
    if done.returncode == _ALL_PASSED:
        print(f"Without a fault all tests pass ({time.monotonic() - begun_s:.0f} s).\n", flush=True)
        return True
    print(f"{done.stdout[-3000:]}{done.stderr[-1000:]}", file=sys.stderr)
    print("Tests fail without any fault, so they say nothing about faults.", file=sys.stderr)
    return False


def _verdict(fault: Fault, done: "subprocess.CompletedProcess[str]", seconds: float) -> Verdict:
    if done.returncode == _ALL_PASSED:
        return Verdict(fault, None, None, seconds)
    failed = _FAILED.search(done.stdout)
    if done.returncode == _SOME_FAILED and failed:
        return Verdict(fault, failed[1], None, seconds)
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return Verdict(fault, None, f"pytest ended with {done.returncode}: {' '.join(last)}", seconds)


def _environment() -> dict[str, str]:
    """Nothing of the developer's own Komadori; one thread, since several tests run beside each other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KOMADORI_", "PYTHON"))}
    return {**kept, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Plant faults, and show which test catches each.")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at a time")
    parser.add_argument("--only", default="", metavar="WORDS", help="those with these words in their name")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="these tests instead of those of the list")
    parser.add_argument("--faults", type=Path, default=FAULTS, metavar="FILE", help="another list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
