"""Opens the database and its transactions.

SQLite takes part with WAL and with ``BEGIN IMMEDIATE`` for every transaction that may
write: a transaction that reads first and writes later would otherwise fail with
"database is locked", for which SQLite does not wait (https://sqlite.org/isolation.html).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from komadori.core.disk import storage_errors
from komadori.core.errors import InputError, PermanentStorageError, StorageError

_BUSY_TIMEOUT_MS = 15_000


class Sessions:
    """Gives sessions; one object for each process, made after a fork."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _open_engine(url)
        self._reader = self.engine.execution_options(komadori_read_only=True)
        self._pid = os.getpid()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; keep it short, it holds back the checkpoint of the log."""
        with self._translated(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction, committed at the end and rolled back when an error leaves it."""
        with self._translated(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._pid != os.getpid():
            raise RuntimeError("a database engine was carried over a fork")
        with database_errors():
            yield


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a database cannot do into a :class:`StorageError`; wrong statements stay what they are.

    SQLite reports damage with the root of its errors alone, all else with a class of its own.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StorageError(
            "All connections to the database were in use for too long.",
            hint="Send fewer requests at once, then try again.",
            code="database-busy",
        ) from error
    except OperationalError as error:
        raise _not_done(str(error.orig)) from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:
            raise
        raise PermanentStorageError(
            f"The database cannot be read: {error.orig}.",
            hint="Stop Komadori and restore the database from a backup; frames and vectors are not touched.",
            code="database-damaged",
        ) from error


def parse_url(url: str) -> URL:
    """The address of a database, in its parts.

    Raises:
        InputError: It is none, or of a database that processes cannot share.
    """
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, ImportError) as error:
        raise _bad_url(str(error)) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise _bad_url("it names no file")
    return parsed


def _not_done(reason: str) -> StorageError:
    message = f"The database did not do what was asked: {reason}."
    if "is full" in reason:
        return StorageError(message, hint="Free some space on its disk, then try again.", code="disk-full")
    if "is locked" in reason:
        hint = "Another program holds it; end that program, then try again."
        return StorageError(message, hint=hint, code="database-locked")
    hint = "Check that it is reachable and that Komadori may write there, then try again."
    return StorageError(message, hint=hint, code="database-failed")


def _bad_url(reason: str) -> InputError:
    return InputError(
        f"KOMADORI_DATABASE_URL cannot be used: {reason}.",
        hint="Write it like sqlite:////data/komadori.db, or unset it for a file in the home.",
        code="bad-database-url",
    )


def _open_engine(url: str) -> Engine:
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    with storage_errors("make the folder of the database"):
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    is_read_only = connection.get_execution_options().get("komadori_read_only", False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
