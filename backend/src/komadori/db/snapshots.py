"""Copies of a whole database as it is at one moment, while others write to it."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from komadori.core.disk import storage_errors
from komadori.core.errors import ConflictError, DependencyError, StorageError
from komadori.db import migrate
from komadori.db.session import Sessions, parse_url

SQLITE_NAME = "komadori.db"
POSTGRESQL_NAME = "komadori.pgdump"

_TIMEOUT_S = 60.0


def save(url: str, folder: Path) -> Path:
    """Write the database into a folder: the file. Nobody who writes to it waits for that.

    Raises:
        DependencyError: PostgreSQL's own program for it is not here.
        StorageError: The database cannot be read, or the copy not be written.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        target = folder / SQLITE_NAME
        _copy_sqlite(Path(str(parsed.database)), target)
    else:
        target = folder / POSTGRESQL_NAME
        _run("pg_dump", parsed, "--format=custom", f"--file={target}")
    return target


def load(file: Path, url: str) -> None:
    """Make the database at ``url``, which has nothing yet, from a file that :func:`save` has written.

    Raises:
        ConflictError: The file is that of the other kind of database, or there is a database already.
        DependencyError: PostgreSQL's own program for it is not here.
        StorageError: The database cannot be written.
    """
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite != (file.name == SQLITE_NAME):
        raise ConflictError(
            f"The backup was made of another kind of database ({file.name}).",
            hint="Set KOMADORI_DATABASE_URL to a database of that kind, or unset it for SQLite.",
            code="another-database",
        )
    check_is_new(url)
    if is_sqlite:
        target = Path(str(parsed.database))
        with storage_errors(f"write the database to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.restoring")
            shutil.copyfile(file, beside)
            beside.rename(target)
    else:
        _run("pg_restore", parsed, "--no-owner", "--exit-on-error", "--single-transaction", str(file))


def check_is_new(url: str) -> None:
    """Do nothing where there is no database yet.

    Raises:
        ConflictError: There is one.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        is_new = not Path(str(parsed.database)).exists()
    else:
        with closing(Sessions(url)) as sessions:
            is_new = migrate.current_revision(sessions.engine) is None
    if not is_new:
        raise ConflictError(
            f"There is a database at {parsed.render_as_string()} already.",
            hint="Restore into a new one: set KOMADORI_HOME, or KOMADORI_DATABASE_URL where that is set.",
            code="home-not-empty",
        )


def _copy_sqlite(source: Path, target: Path) -> None:
    """One step under one snapshot: in steps it would begin anew whenever somebody writes."""
    try:
        with (
            closing(sqlite3.connect(source, timeout=_TIMEOUT_S)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except sqlite3.Error as error:
        raise StorageError(
            f"The database {source} could not be copied: {error}.",
            hint="See that the disk of the backup has room, then try again.",
        ) from error


def _run(program: str, url: URL, *arguments: str) -> None:
    """Run a program of PostgreSQL; the password is in its environment, where others do not see it."""
    path = shutil.which(program)
    if path is None:
        raise DependencyError(
            f"Expected PostgreSQL's {program} on this machine, there is none.",
            hint="Install PostgreSQL's client programs, of the server's version or newer.",
            code="missing-postgresql-client",
        )
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    done = subprocess.run(
        [path, f"--dbname={plain.render_as_string()}", "--no-password", *arguments],
        env={**os.environ, "PGPASSWORD": str(url.password or "")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StorageError(
            f"{program} failed: {said}",
            hint="Its version must be the server's or newer, and the user must own the database.",
            code="postgresql-client-failed",
        )
