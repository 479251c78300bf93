"""Opens the database and its transactions.

SQLite takes part with WAL and with ``BEGIN IMMEDIATE`` for every transaction that may
write: a transaction that reads first and writes later would otherwise fail with
"database is locked", for which SQLite does not wait (https://sqlite.org/isolation.html).

On PostgreSQL writing transactions run side by side, each statement seeing what is
committed by then (READ COMMITTED). What must not be changed by two at once is locked
by its row; see ``db/repositories``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from komadori.core.disk import storage_errors
from komadori.core.errors import DependencyError, InputError
from komadori.db.failures import database_errors

PATIENCE_S = 15.0
"""How long a transaction waits for others, unless told otherwise."""

_IDLE_TIMEOUT_MS = 120_000
"""After so long PostgreSQL ends a transaction whose process has stopped, and with it the locks."""

_POSTGRESQL_DRIVER = "postgresql+psycopg"


class Sessions:
    """Gives sessions; one object for each process, made after a fork.

    Who only reads has connections apart: those who write may all be waiting for each other.

    Args:
        url: Of the database.
        patience_s: How long to wait for a lock or a connection.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.engine = _open_engine(url, patience_s)
        self.readers = _open_engine(url, patience_s)
        self._reader = self.readers.execution_options(**reading(self.readers))
        self._pid = os.getpid()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads, and sees one moment.

        Keep it short: it holds back the checkpoint of SQLite's log and the cleaning of PostgreSQL.
        """
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
        self.readers.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._pid != os.getpid():
            raise RuntimeError("a database engine was carried over a fork")
        with database_errors():
            yield


def parse_url(url: str) -> URL:
    """The address of a database, in its parts; ``postgresql://`` stands for the driver that we use.

    Raises:
        InputError: It is none, or of a database that processes cannot share.
        DependencyError: The driver of its database is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _bad_url("it is no URL") from error
    except ValueError as error:  # its message would show a part of the password
        raise _bad_url("its port is no number; a password may have to be percent-encoded") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername=_POSTGRESQL_DRIVER)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", _POSTGRESQL_DRIVER):
        raise _bad_url(f"{parsed.drivername!r} is neither sqlite nor postgresql")
    if parsed.drivername != _POSTGRESQL_DRIVER and parsed.database in (None, "", ":memory:"):
        raise _bad_url("it names no file")
    try:
        parsed.get_dialect().import_dbapi()
    except ImportError as error:
        raise DependencyError(
            f"The driver of {parsed.get_backend_name()} cannot be loaded: {error}.",
            hint="For PostgreSQL: pip install 'komadori[postgres]'. For SQLite: a Python that has sqlite3.",
            code="missing-database-driver",
        ) from error
    return parsed


def _bad_url(reason: str) -> InputError:
    return InputError(
        f"KOMADORI_DATABASE_URL cannot be used: {reason}.",
        hint="Write it like sqlite:////data/komadori.db or postgresql://user:password@host:5432/komadori, "
        "or unset it for a file in the home.",
        code="bad-database-url",
    )


def _open_engine(url: str, patience_s: float) -> Engine:
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return _open_sqlite(parsed, patience_s) if is_sqlite else _open_postgresql(parsed, patience_s)


def _open_sqlite(url: URL, patience_s: float) -> Engine:
    with storage_errors("make the folder of the database"):
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"check_same_thread": False, "timeout": patience_s}
    engine = create_engine(url, connect_args=arguments, pool_timeout=patience_s)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL, patience_s: float) -> Engine:
    """An engine whose connections notice on both ends when the other has vanished, within a minute."""
    waits = {
        "lock_timeout": round(1000 * patience_s),
        "idle_in_transaction_session_timeout": _IDLE_TIMEOUT_MS,
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
    }
    arguments: dict[str, Any] = {
        "application_name": "komadori",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        "options": " ".join(f"-c {name}={value}" for name, value in waits.items()),
    }
    wanted = {name: value for name, value in arguments.items() if name not in url.query}
    return create_engine(
        url,
        connect_args=wanted,
        pool_pre_ping=True,
        pool_timeout=patience_s,
        isolation_level="READ COMMITTED",
    )


def reading(engine: Engine) -> dict[str, Any]:
    """The options of transactions that only read."""
    if engine.dialect.name == "sqlite":
        return {"komadori_read_only": True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    is_read_only = connection.get_execution_options().get("komadori_read_only", False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
