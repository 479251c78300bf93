"""A folder for the temporary files of a worker, which does not outlive it for long.

A worker that is killed cannot clean up. The next one that starts on this machine does.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from komadori.core import process_names
from komadori.core.disk import storage_errors

_PREFIX = "komadori-worker-"


def use_own_folder() -> Path:
    """Let this process and all that it starts put their temporary files there.

    Raises:
        StorageError: It cannot be made.
    """
    root = Path(tempfile.gettempdir())
    _remove_orphans(root)
    folder = root / f"{_PREFIX}{process_names.as_file_name(process_names.own_name())}"
    with storage_errors("make a folder for temporary files"):
        folder.mkdir(mode=0o700)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def _remove_orphans(root: Path) -> None:
    """Those of this user alone, of processes that are certainly gone."""
    for folder in root.glob(f"{_PREFIX}*"):
        owner = process_names.from_file_name(folder.name.removeprefix(_PREFIX))
        if process_names.is_gone(owner):
            shutil.rmtree(folder, ignore_errors=True)
