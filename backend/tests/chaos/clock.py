"""A wall clock for the processes under test alone, which can be stepped without touching the machine's.

Setting the machine's clock would hit everybody on it, and namespaces of time do not hold the wall clock.
So a small library, compiled where there is a C compiler, stands between the processes and the C library.
Decoding children get a bare environment and keep the true clock; they measure nothing by it.
"""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    """What ``environment`` puts into a process's environment gives it this clock."""

    def __init__(self, folder: Path, compiler: str) -> None:
        library = folder / "stepped_clock.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE, "-ldl"],
            check=True,
        )
        path = folder / "clock"
        path.write_bytes(struct.pack("q", 0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(path)}

    def set_ahead(self, seconds: int) -> None:
        """Let the clock be so far ahead of the true one from now on; back when negative."""
        self._ahead[:] = struct.pack("q", seconds * 10**9)


def find_compiler() -> str | None:
    """A C compiler of this machine."""
    return shutil.which("gcc") or shutil.which("cc")
