"""Writes a checkpoint while others may read it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_files(folder: Path) -> Iterator[Path]:
    """A scratch folder whose files, at the end of the block, take the place of those in ``folder``.

    Each file is replaced in one step, so a reader finds the old or the new one, never a half. Nothing
    changes when the block raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".checkpoint-", dir=folder))
    try:
        yield scratch
        for path in sorted(scratch.iterdir()):
            path.chmod(0o644)
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
