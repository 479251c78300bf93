"""Statements that SQLAlchemy has not in the same words for both databases."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CursorResult, Float, Select, column, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from komadori.db.tables import Base

_ROWS_AT_ONCE = 500


class now_s(FunctionElement[float]):  # noqa: N801  (it stands in statements like the functions of SQL)
    """Seconds since 1970 when the statement began, by the clock of the database.

    Leases are measured by it: the clocks of the machines whose workers share a database differ.
    """

    type = Float()
    inherit_cache = True


@compiles(now_s, "postgresql")
def _now_of_postgresql(_element: now_s, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"


@compiles(now_s, "sqlite")
def _now_of_sqlite(_element: now_s, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def lock_bytes(session: Session, sha256: str) -> None:
    """Let nobody else who asks for this lock add or remove files of a video until the transaction ends.

    Videos of several projects, and uploads, share the files of the same bytes. On SQLite the
    transaction itself keeps all others out.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(int(sha256[:15], 16))))


def insert_missing(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows that break no unique constraint.

    Give them in the order of their key: two transactions that insert the same rows wait for each
    other row by row, in a circle when their orders differ.
    """
    dialect = session.get_bind().dialect.name
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        values = list(rows[start : start + _ROWS_AT_ONCE])
        if dialect == "postgresql":
            session.execute(postgresql.insert(table).on_conflict_do_nothing(), values)
        else:
            session.execute(sqlite.insert(table).on_conflict_do_nothing(), values)


def put(session: Session, table: type[Base], row: Mapping[str, Any]) -> None:
    """Insert a row, or change the one that has its primary key."""
    keys = [column.name for column in table.__table__.primary_key]
    changes = {name: value for name, value in row.items() if name not in keys}
    if session.get_bind().dialect.name == "postgresql":
        on_postgresql = postgresql.insert(table).values(row)
        session.execute(on_postgresql.on_conflict_do_update(index_elements=keys, set_=changes))
    else:
        on_sqlite = sqlite.insert(table).values(row)
        session.execute(on_sqlite.on_conflict_do_update(index_elements=keys, set_=changes))


def ids_as_rows(session: Session, ids: Sequence[int]) -> Select[int]:
    """A query that gives these ids: any number of them in one parameter, which a list of values is not."""
    if session.get_bind().dialect.name == "postgresql":
        return select(func.unnest(literal(list(ids), ARRAY(BigInteger)), type_=BigInteger))
    rows = func.json_each(json.dumps(list(ids))).table_valued("value")
    return select(column("value", BigInteger)).select_from(rows)


def n_changed(result: Any) -> int:
    """How many rows an update or delete has changed."""
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
