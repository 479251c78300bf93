"""What can be known of a folder that may not be there yet. Needs the standard library only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def nearest(folder: Path) -> Path:
    """The folder itself, else the first above it that this user can see."""
    return next(part for part in (folder, *folder.parents) if os.path.isdir(part))  # noqa: PTH112  (never raises)


def why_not_writable(folder: Path) -> str:
    """Why this user can make no file in a folder that is there; empty where it is possible."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as exc:
        return exc.strerror or str(exc)
