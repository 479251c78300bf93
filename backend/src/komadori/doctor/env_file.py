"""Writes settings into a ``.env`` file and leaves everything else in it as it is."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

from komadori.core.disk import storage_errors
from komadori.core.errors import InputError

_PRIVATE = 0o600
"""Such files hold tokens."""


def write_settings(path: Path, values: Mapping[str, str]) -> None:
    """Set names in a file, which is made when it is not there.

    The last assignment of a name counts in such a file, so that is the one that is replaced. A new
    name goes under the comment that shows its default, as in a copy of ``.env.example``, else to
    the end. All other lines, the line ends and the file's mode stay.

    Args:
        path: The file.
        values: By name; a value is one line without spaces, ``#`` and quotes.

    Raises:
        InputError: The path is no file, or a value would need quotes.
        StorageError: It cannot be written.
    """
    unfit = [name for name, value in values.items() if not re.fullmatch(r"[^\s#'\"\\]*", value)]
    if unfit or path.is_dir():
        raise InputError(
            f"Expected a file and plain values, got {path}" + f" and {', '.join(unfit)}." * bool(unfit),
            hint="Name a file such as .env.",
        )
    with storage_errors(f"write the settings to {path}"):
        target = path.resolve()
        text = target.read_bytes().decode("utf-8", "surrogateescape") if target.exists() else ""
        for name, value in values.items():
            text = _with_setting(text, name, value)
        _replace(target, text.encode("utf-8", "surrogateescape"))


def _with_setting(text: str, name: str, value: str) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += line_end
    assigned = re.compile(rf"\s*(export\s+)?{re.escape(name)}\s*=")
    shown = re.compile(rf"\s*#\s*{re.escape(name)}\s*=")
    new = f"{name}={value}{line_end}"
    if (last := _last(assigned, lines)) is not None:
        prefix = "export " if lines[last].lstrip().startswith("export") else ""
        lines[last] = prefix + new
    elif (last := _last(shown, lines)) is not None:
        lines.insert(last + 1, new)
    else:
        lines.append(new)
    return "".join(lines)


def _last(pattern: re.Pattern[str], lines: list[str]) -> int | None:
    found = [number for number, line in enumerate(lines) if pattern.match(line)]
    return found[-1] if found else None


def _replace(target: Path, data: bytes) -> None:
    """Put the new contents in place in one step, where the filesystem lets us."""
    mode = target.stat().st_mode & 0o777 if target.exists() else _PRIVATE
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(target)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        if exc.errno not in (errno.EBUSY, errno.EACCES, errno.EROFS) or not target.exists():
            raise
        target.write_bytes(data)  # a single file that is mounted into a container cannot be renamed over
