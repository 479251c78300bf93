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

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from komadori.core.errors import StorageError

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
        try:
            yield
        except OperationalError as error:
            raise StorageError(
                f"The database did not do what was asked: {error.orig}.",
                hint="Check that its disk is not full and that it is reachable, then try again.",
                code="database-failed",
            ) from error


def _open_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})
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
