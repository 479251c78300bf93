"""The temporary files of a worker lie in a folder of its own, which goes with it or soon after."""

import os
import subprocess
import sys
from pathlib import Path

_START = "from komadori.worker.temporary import use_own_folder; print(use_own_folder(), flush=True);"
_END = "import os, tempfile; tempfile.mkstemp(); "


def start(root: Path, then: str) -> Path:
    """A worker that makes a temporary file and ends as the test wants: its folder."""
    environment = {**os.environ, "TMPDIR": str(root)}
    command = [sys.executable, "-c", _START + _END + then]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return Path(ended.stdout.strip())


def test_it_is_removed_at_the_end(tmp_path: Path) -> None:
    folder = start(tmp_path, "pass")

    assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left = start(tmp_path, "os.kill(os.getpid(), 9)")
    assert list(left.iterdir())

    start(tmp_path, "pass")

    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "komadori-worker-elsewhere_1_1"
    other.mkdir()

    start(tmp_path, "pass")

    assert list(tmp_path.iterdir()) == [other]
