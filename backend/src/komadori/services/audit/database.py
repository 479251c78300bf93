"""Whether the database is whole, has the schema of this version, and refers to nothing that is gone."""

from collections.abc import Iterator

from komadori.core.errors import PermanentStorageError
from komadori.db import migrate
from komadori.db.repositories import audits
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look


def look_at_database(look: Look) -> Iterator[Finding]:
    """What makes every other question pointless."""
    try:
        current, newest = migrate.current_revision(look.store.sessions.engine), migrate.newest_revision()
        if current != newest:
            detail = f"It has the schema {current}, this version needs {newest}."
            yield Finding(Kind.SCHEMA, "the database", detail)
            return
        with look.store.sessions.read() as session:
            lines = audits.integrity(session)
    except PermanentStorageError as error:
        lines = [error.message]
    for line in lines:
        yield Finding(Kind.DATABASE_DAMAGED, "the database", line)


def look_at_references(look: Look) -> Iterator[Finding]:
    """Rows whose parent is gone."""
    with look.store.sessions.read() as session:
        for table, column, n in audits.dangling(session):
            yield Finding(Kind.ORPHAN_ROW, f"{table}.{column}", f"{n} rows refer to what is not there.")
