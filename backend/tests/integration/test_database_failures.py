"""What the database cannot do ends in an error that says what to do, and whether to try again."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from komadori.core.errors import InputError, PermanentStorageError, StorageError
from komadori.db import migrate
from komadori.db.session import Sessions, parse_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "komadori.db"


@pytest.fixture
def sessions(file: Path) -> Iterator[Sessions]:
    opened = Sessions(f"sqlite:///{file}")
    yield opened
    opened.close()


def test_a_file_that_is_no_database_is_not_tried_again(file: Path, sessions: Sessions) -> None:
    file.write_bytes(b"these are not the bytes" * 500)

    for attempt in (lambda: migrate.upgrade(sessions.engine), lambda: migrate.is_newest(sessions)):
        with pytest.raises(PermanentStorageError, match="file is not a database") as refused:
            attempt()
        assert refused.value.code == "database-damaged"
        assert not refused.value.is_retryable


def test_a_damaged_page_is_not_tried_again(file: Path, sessions: Sessions) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
    connection.close()
    pages = file.read_bytes()
    file.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))

    with pytest.raises(PermanentStorageError, match="malformed"), sessions.read() as opened:
        opened.execute(text("SELECT count(x) FROM t")).all()


def test_a_database_that_another_program_holds_is_tried_again(file: Path) -> None:
    sessions = Sessions(f"sqlite:///{file}", patience_s=0.01)
    with sessions.write() as opened:
        opened.execute(text("CREATE TABLE t (x)"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageError, match="locked") as refused, sessions.write() as opened:
        opened.connection()

    other.close()
    sessions.close()
    assert refused.value.code == "database-locked"
    assert refused.value.is_retryable


def test_the_schema_is_known_while_another_program_writes(file: Path, sessions: Sessions) -> None:
    migrate.upgrade(sessions.engine)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert migrate.current_revision(sessions.engine) == migrate.newest_revision()
    other.close()


def test_references_are_enforced_again_after_a_migration(sessions: Sessions) -> None:
    migrate.upgrade(sessions.engine)
    migrate.downgrade(sessions.engine, "base")

    with sessions.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_full_disk_is_named(sessions: Sessions) -> None:
    with sessions.write() as opened:
        opened.execute(text("CREATE TABLE t (x)"))

        opened.execute(text("PRAGMA max_page_count = 3"))  # of the connection, which is used again

    with pytest.raises(StorageError) as refused, sessions.write() as opened:
        opened.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))

    assert refused.value.code == "disk-full"


def test_too_many_sessions_at_once_are_told_to_wait(file: Path) -> None:
    sessions = Sessions(f"sqlite:///{file}", patience_s=0.01)
    held = [sessions.readers.connect() for _ in range(15)]

    with pytest.raises(StorageError) as refused, sessions.read() as opened:
        opened.connection()
    with sessions.write() as opened:
        opened.connection()  # who writes has connections apart

    for connection in held:
        connection.close()
    sessions.close()
    assert refused.value.code == "database-busy"
    assert refused.value.is_retryable


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "nosuchdatabase://host/name"])
def test_an_address_that_cannot_be_used_says_how_to_write_one(url: str) -> None:
    with pytest.raises(InputError, match="KOMADORI_DATABASE_URL") as refused:
        parse_url(url)

    assert refused.value.code == "bad-database-url"
