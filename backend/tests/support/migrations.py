"""Fills a database of any schema with rows, by what it says of itself, and reads them again."""

import re
from collections.abc import Mapping
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    inspect,
    select,
)
from sqlalchemy.types import JSON

from komadori.db import migrate

N_ROWS = 3

Rows = dict[str, list[dict[str, Any]]]
"""The rows of each table, in a stable order."""


def revisions() -> list[str]:
    """All revisions, oldest first; a new migration is among them by itself."""
    found = ScriptDirectory(str(migrate._FOLDER)).walk_revisions()
    return [script.revision for script in found][::-1]


def fill(engine: Engine) -> None:
    """Put a few rows into every table: each column filled, and empty once where it may be."""
    with engine.begin() as connection:
        schema = _schema(connection)
        made: Rows = {}
        for table in schema.sorted_tables:
            allowed = _allowed(connection, table)
            made[table.name] = [
                {column.name: _value(column, number, made, allowed) for column in table.columns}
                for number in range(N_ROWS)
            ]
            for row in made[table.name]:
                connection.execute(table.insert().values(row))


def read(engine: Engine) -> Rows:
    """Everything in the database."""
    with engine.begin() as connection:
        return {
            table.name: sorted((dict(row._mapping) for row in connection.execute(select(table))), key=repr)
            for table in _schema(connection).sorted_tables
        }


def shared(rows: Rows, other: Mapping[str, Any]) -> Rows:
    """Those of the rows' tables and columns that the other database has as well."""
    return {
        name: sorted(
            ({column: row[column] for column in row if column in other[name][0]} for row in found), key=repr
        )
        for name, found in rows.items()
        if other.get(name) and found
    }


def _schema(connection: Connection) -> MetaData:
    schema = MetaData()
    schema.reflect(connection, only=lambda name, _: name != "alembic_version")
    return schema


def _allowed(connection: Connection, table: Table) -> dict[str, str]:
    """A value that the check constraints of a table allow, by column."""
    texts = [str(check["sqltext"]) for check in inspect(connection).get_check_constraints(table.name)]
    return {
        column.name: re.findall(r"'([^']*)'", text)[0]
        for text in texts
        for column in table.columns
        if re.search(rf"\b{column.name}\b", text) and "'" in text
    }


def _value(column: Column[Any], number: int, made: Rows, allowed: Mapping[str, str]) -> Any:
    key = next(iter(column.foreign_keys), None)
    if key is not None:
        parents = made.get(key.column.table.name)
        return parents[number][key.column.name] if parents else None
    if column.nullable and number == 0:
        return None
    if column.name in allowed:
        return allowed[column.name]
    return _plain(column, number)


def _plain(column: Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, JSON):
        if (column.table.name, column.name) == ("annotation_revisions", "state"):
            return _former_state(number)
        return {"number": number, "text": "駒鳥", "inner": [1.5, None]}
    if isinstance(kind, LargeBinary):
        return f"{number}`4O2".encode() if column.name == "mask_counts" else bytes([0, 255, number])
    if isinstance(kind, Float):
        return number + 0.1
    if isinstance(kind, Integer):
        is_large = isinstance(kind, BigInteger) and not column.primary_key
        return number + (2**40 if is_large else 1)
    length = getattr(kind, "length", None) or 60
    return f"{number} {column.name} 駒鳥 '\"%"[:length]


def _former_state(number: int) -> dict[str, Any]:
    """What an annotation was, as schemas before 0006 wrote it."""
    return {
        "class_id": number + 1,
        "status": "proposed",
        "source": "model",
        "bbox_xyxy": [number + 0.1, 1 / 3, 30.123456954956055, 40.0],
        "mask": f"{number}`4O2" if number else None,
        "confidence": 0.1 if number else None,
        "track_id": 2**40 if number else None,
    }
