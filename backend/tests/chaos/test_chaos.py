"""The short cut of the chaos suite; ``make chaos`` runs longer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import find_binaries

_BACKEND = Path(__file__).parents[2]
SECONDS = 18
PACE = 0.5
_ROUNDS = 2
_PATIENCE_S = 840
"""It takes less than a minute; a machine may be very busy."""
SEEDS = {"sqlite": 190, "postgresql": 114}
"""Together they have each kind of fault once, as a test of the plan says."""


@pytest.mark.long
@pytest.mark.timeout(_PATIENCE_S + 60)
@pytest.mark.parametrize("database", SEEDS)
def test_all_that_was_asked_is_there_once_whatever_dies(database: str, tmp_path: Path) -> None:
    """A process of its own, because the small disk needs a mount namespace."""
    if database == "postgresql" and find_binaries() is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    report = tmp_path / "report.json"
    options = {
        "seed": SEEDS[database],
        "seconds": SECONDS,
        "pace": PACE,
        "database": database,
        "rounds": _ROUNDS,
        "report": report,
    }
    command = [sys.executable, "-m", "tests.chaos", *(f"--{name}={value}" for name, value in options.items())]

    with subprocess.Popen(
        command, cwd=_BACKEND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=_PATIENCE_S)
        finally:
            process.terminate()  # harmless when it has ended; else it cleans up

    assert process.returncode == 0, said
    assert json.loads(report.read_text("utf-8"))["violations"] == []
