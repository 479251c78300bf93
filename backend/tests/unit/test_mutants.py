"""The list of planted faults fits the code as it is now."""

import ast
import re

import pytest
from scripts.mutants import BACKEND, SOURCE, Fault, read_faults

FAULTS = read_faults()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted_and_is_valid_code(fault: Fault) -> None:
    text = (SOURCE / "komadori" / fault.file).read_text("utf-8")

    planted = fault.planted(text)

    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))


def test_a_fault_whose_text_is_gone_is_told() -> None:
    fault = Fault("a fault", "core/masks.py", "one", "two", ["tests"])

    with pytest.raises(ValueError, match=r"once in core/masks\.py, found it 2 times"):
        fault.planted("one and one")


def test_names_are_told_apart() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("test", sorted({test for fault in FAULTS for test in fault.tests}))
def test_the_tests_that_shall_catch_it_exist(test: str) -> None:
    file, _, name = test.partition("::")

    text = (BACKEND / file).read_text("utf-8")

    assert re.search(rf"^def {name or 'test_'}", text, re.MULTILINE)
