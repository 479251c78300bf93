#!/usr/bin/env python3
"""Says whether this machine or container can do its work, the card above all, and what to do if not.

Where Komadori is installed with its packages this is ``komadori doctor``. On a host that has
nothing but Python (3.9 or newer) and this repository it looks at what such a host must have: the
cards, their driver, Docker and NVIDIA's container toolkit.

    python3 backend/scripts/verify_gpu.py [--role host] [--require-gpu] [--json]

Exit status 0 when nothing stands in the way, 1 when something cannot work, 2 when misused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
"""The package beside this script, in the repository."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line: the exit status."""
    doctor = _installed()
    return doctor(["doctor", *arguments]) if doctor else _bare(arguments)


def _installed() -> Callable[[Sequence[str]], int] | None:
    """The command line of the installed package, or None where it or a package that it needs is missing."""
    try:
        from komadori.cli.main import main as command_line
    except ImportError:
        return None
    return command_line


def _bare(arguments: Sequence[str]) -> int:
    """Look at a host with the standard library only."""
    parser = argparse.ArgumentParser(description="Check a host that runs containers with GPUs.")
    parser.add_argument("--role", choices=["host"], default="host", help="others need Komadori's packages")
    parser.add_argument("--require-gpu", action="store_true", help="fail where there is no card")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(SOURCE))
    try:
        from komadori.doctor import host
        from komadori.doctor.printing import present
        from komadori.doctor.report import has_failed
    except ImportError as exc:
        parser.error(f"{exc}; in an image run it with /opt/komadori/bin/python, else from the repository")
    return int(has_failed(present(None, host.checks(require_gpu=options.require_gpu), as_json=options.json)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
