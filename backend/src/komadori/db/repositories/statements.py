"""Statements that SQLAlchemy has not in the same words for both databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from komadori.db.tables import Base

_ROWS_AT_ONCE = 500


def insert_missing(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows that break no unique constraint."""
    dialect = session.get_bind().dialect.name
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        values = list(rows[start : start + _ROWS_AT_ONCE])
        if dialect == "postgresql":
            session.execute(postgresql.insert(table).on_conflict_do_nothing(), values)
        else:
            session.execute(sqlite.insert(table).on_conflict_do_nothing(), values)


def n_changed(result: Any) -> int:
    """How many rows an update or delete has changed."""
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
