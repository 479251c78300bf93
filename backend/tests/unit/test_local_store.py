"""The local store where the disk does not play along."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from komadori.core.errors import StorageError
from komadori.storage import local

OTHER_FILESYSTEM = Path("/dev/shm")  # the path matters, nothing predictable is written there


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let every longer write of this process fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    store = local.create(tmp_path)
    store.put("frames/a.jpg", b"before")

    with files_of_at_most(1000), pytest.raises(StorageError) as caught:
        store.put("frames/a.jpg", bytes(5000))

    assert caught.value.code == "disk-full"
    assert "Free some space" in caught.value.hint
    assert store.get("frames/a.jpg") == b"before"
    assert files_below(tmp_path) == ["frames/a.jpg"]


def test_a_file_in_the_way_of_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    store = local.create(tmp_path)
    store.put("frames", b"a file")

    with pytest.raises(StorageError, match="Could not store 'frames/a'"):
        store.put("frames/a", b"data")

    assert files_below(tmp_path) == ["frames"]


def test_a_root_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="Could not open the store"):
        local.create(tmp_path / "file" / "blobs")


def test_a_file_of_another_filesystem_is_copied(tmp_path: Path) -> None:
    if not OTHER_FILESYSTEM.is_dir() or OTHER_FILESYSTEM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem here")
    store = local.create(tmp_path)
    source = OTHER_FILESYSTEM / f"komadori-test-{os.getpid()}-{time.monotonic_ns()}"
    source.write_bytes(b"from elsewhere")
    try:
        store.adopt("frames/a.jpg", source)
        assert not source.exists()
    finally:
        source.unlink(missing_ok=True)

    assert store.get("frames/a.jpg") == b"from elsewhere"
    assert files_below(tmp_path) == ["frames/a.jpg"]


def test_what_a_crash_left_is_removed_after_a_day(tmp_path: Path) -> None:
    store = local.create(tmp_path)
    old, recent = store.scratch(), store.scratch()
    (old / "frame.jpg").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))

    local.create(tmp_path)

    assert not old.exists()
    assert recent.is_dir()


def test_what_a_killed_process_left_is_removed_at_once(tmp_path: Path) -> None:
    script = "import sys, os; from pathlib import Path; from komadori.storage import local;" + (
        "print(local.create(Path(sys.argv[1])).scratch(), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
    left = Path(killed.stdout.strip())
    assert left.is_dir()
    own = local.create(tmp_path).scratch()

    local.create(tmp_path)

    assert not left.exists()
    assert own.is_dir()


def test_stored_files_have_the_rights_of_any_new_file(tmp_path: Path) -> None:
    store = local.create(tmp_path / "blobs")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")

    store.put("a", b"data")

    assert store.local_path("a").stat().st_mode == plain.stat().st_mode
