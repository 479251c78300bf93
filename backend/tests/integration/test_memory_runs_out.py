"""A real model on the processor, in a process that may not have the memory for its batch."""

import os
import subprocess
import sys

GIVEN_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**17)}
"""Lets malloc keep nothing of what is freed; else it depends on luck how much of the memory is of use."""


def starved(n_pictures: int, spare_mib: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.starved_embedder", str(n_pictures), str(spare_mib)],
        env={**os.environ, **GIVEN_BACK, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_batch_for_which_the_memory_does_not_do_is_halved_until_it_goes() -> None:
    size, is_same = starved(1024, 100).split()

    assert 1 < int(size) < 1024
    assert is_same == "True"
