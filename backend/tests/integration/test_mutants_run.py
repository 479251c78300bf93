"""Planted faults are tried on a copy: what is caught is told, and so is what survives."""

import json
from pathlib import Path

import pytest
from scripts import mutants
from scripts.mutants import SOURCE, Fault

CAUGHT = Fault(
    "read row by row",
    "core/masks.py",
    "np.repeat(is_object, runs).reshape(width, height).T",
    "np.repeat(is_object, runs).reshape(height, width)",
    ["tests/unit/test_masks.py"],
)
HARMLESS = Fault(
    "another hint",
    "core/masks.py",
    "Give the mask in the size of its frame",
    "Give the mask as large as its frame",
    ["tests/unit/test_masks.py"],
)
BROKEN = Fault(
    "no code", "core/masks.py", "_ASCII_ZERO = 48", "_ASCII_ZERO = (", ["tests/unit/test_masks.py"]
)


def written(path: Path, *faults: Fault) -> Path:
    """A list of faults; strings of JSON are strings of TOML too."""
    lines: list[str] = []
    for fault in faults:
        lines.append("[[fault]]")
        lines += [
            f"{name} = {json.dumps(getattr(fault, name))}"
            for name in ("name", "file", "before", "after", "tests")
        ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_every_fault_is_told_with_what_caught_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = (SOURCE / "komadori" / "core" / "masks.py").read_bytes()
    faults = written(tmp_path / "faults.toml", CAUGHT, HARMLESS, BROKEN)

    status = mutants.main(["--faults", str(faults), "--jobs", "1"])

    assert status == 1
    _, _, header, caught, harmless, broken, _, summary = capsys.readouterr().out.splitlines()
    assert header.split() == ["fault", "file", "time", "caught", "by"]
    assert caught.split()[-1].startswith("tests/unit/test_masks.py::test_")
    assert harmless.endswith("NOTHING: it survives")
    assert "?? pytest ended with" in broken
    assert summary == "1 of 3 faults are caught."
    assert (SOURCE / "komadori" / "core" / "masks.py").read_bytes() == original


def test_tests_that_fail_without_a_fault_are_no_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = written(tmp_path / "faults.toml", CAUGHT)

    status = mutants.main(["--faults", str(faults), "--jobs", "1", "--tests", "tests/unit/no_such_test.py"])

    assert status == 1
    assert "Tests fail without any fault" in capsys.readouterr().err


def test_a_name_that_no_fault_has_is_misuse() -> None:
    assert mutants.main(["--only", "no such fault"]) == 2
