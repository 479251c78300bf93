"""Brings the database to the newest schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from komadori.core.errors import ConflictError, StorageError
from komadori.db.failures import database_errors
from komadori.db.session import Sessions, reading
from komadori.db.tables import Base

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6B6F6D61646F7269
"""The advisory lock of PostgreSQL that who migrates holds: "komadori" in ASCII."""


def upgrade(engine: Engine, target: str = "head") -> None:
    """Run the missing migrations in one transaction; processes that start together take turns.

    Raises:
        ConflictError: The database was made by a newer Komadori.
        StorageError: It cannot be read or written.
    """
    with _migration(engine) as connection:
        _check_known(connection)
        command.upgrade(_config(connection), target)


def downgrade(engine: Engine, target: str) -> None:
    """Undo migrations down to ``target``; what only newer schemas can hold is lost."""
    with _migration(engine) as connection:
        command.downgrade(_config(connection), target)


def differences(engine: Engine) -> list[object]:
    """What the tables in the code have and the database has not, or the other way round."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


@cache
def newest_revision() -> str | None:
    """The revision that this version of the code knows as its newest."""
    return ScriptDirectory(str(_FOLDER)).get_current_head()


def current_revision(engine: Engine) -> str | None:
    """The revision of the database, None when it is empty; takes no lock."""
    with database_errors(), engine.connect().execution_options(**reading(engine)) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_newest(sessions: Sessions) -> bool:
    """Whether the database has the schema of this code; takes no lock."""
    return current_revision(sessions.readers) == newest_revision()


@contextmanager
def _migration(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else migrates.

    Foreign keys are not enforced meanwhile, and checked at the end: SQLite rebuilds a
    table to alter it, and dropping the old one would delete everything that refers to it.
    """
    with database_errors(), engine.connect() as connection:
        _enforce_references(connection, "OFF")
        try:
            with connection.begin():
                _take_turn(connection)
                yield connection
                _check_references(connection)
        finally:
            _enforce_references(connection, "ON")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _take_turn(connection: Connection) -> None:
    """Wait until nobody else migrates; on SQLite the transaction has done so.

    Nobody waits in vain: a migration may take longer than other transactions may wait for a lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _check_known(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    if current is not None and current not in known:
        raise ConflictError(
            f"The database has schema {current}, which this version of Komadori does not know.",
            hint="Start the newer version that made it, or restore a backup from before the update.",
            code="database-too-new",
        )


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.execute(text("PRAGMA foreign_key_check")).fetchall()
    if broken:
        raise StorageError(
            f"The migration would leave {len(broken)} rows that refer to nothing: {tuple(broken[0])}.",
            hint="Nothing was changed. Restore a backup, or report this.",
            code="migration-failed",
        )


def _enforce_references(connection: Connection, switch: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.cursor().execute(f"PRAGMA foreign_keys={switch}")
