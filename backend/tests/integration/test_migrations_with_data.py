"""Migrations up and down leave the data whole, on both databases; a new migration is tried by itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from komadori.db import migrate
from komadori.db.session import Sessions
from tests.support import migrations
from tests.support.migrations import N_ROWS
from tests.support.postgres import Server

_ADDED = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "added", "{head}", None, None


def upgrade():
    with op.batch_alter_table("{table}", recreate="auto") as batch:
        {up}


def downgrade():
    with op.batch_alter_table("{table}") as batch:
        {down}
"""
_BROADER = "batch.alter_column('name', type_=sa.String(300), existing_type=sa.String(200))"
_NARROWER = "batch.alter_column('name', type_=sa.String(200), existing_type=sa.String(300))"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without tables."""
    if request.param == "sqlite":
        sessions = Sessions(f"sqlite:///{tmp_path / 'komadori.db'}")
        yield sessions.engine
        sessions.close()
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = server.new_database(is_empty=True)
    sessions = Sessions(server.url(name))
    yield sessions.engine
    sessions.close()
    server.drop(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations in a copy, to which a test adds one of its own."""
    copy = shutil.copytree(migrate._FOLDER, tmp_path / "migrations")
    monkeypatch.setattr(migrate, "_FOLDER", copy)
    return copy / "versions"


def add(folder: Path, table: str, up: str, down: str) -> None:
    content = _ADDED.format(head=migrate.newest_revision(), table=table, up=up, down=down)
    (folder / "9999_added.py").write_text(content)


def test_data_of_every_schema_comes_up_to_the_newest_and_back(engine: Engine) -> None:
    for revision in migrations.revisions():
        migrate.upgrade(engine, revision)
        migrations.fill(engine)
        before = migrations.read(engine)

        migrate.upgrade(engine)
        after = migrations.read(engine)
        assert {len(rows) for rows in before.values()} == {N_ROWS}
        assert migrations.shared(after, before) == migrations.shared(before, after), revision
        assert migrate.differences(engine) == []

        migrate.downgrade(engine, revision)
        assert migrations.read(engine) == before, revision
        migrate.downgrade(engine, "base")
        assert migrations.read(engine) == {}


def test_data_of_the_newest_schema_goes_down_to_each_one_and_up_again(engine: Engine) -> None:
    for revision in migrations.revisions():
        migrate.upgrade(engine)
        migrations.fill(engine)
        newest = migrations.read(engine)

        migrate.downgrade(engine, revision)
        older = migrations.read(engine)
        assert migrations.shared(older, newest) == migrations.shared(newest, older), revision
        migrate.upgrade(engine)
        again = migrations.read(engine)
        assert migrations.shared(again, older) == migrations.shared(newest, older), revision
        migrate.downgrade(engine, "base")


def test_former_states_become_columns_to_the_last_bit(engine: Engine) -> None:
    migrate.upgrade(engine, "0004")
    migrations.fill(engine)
    before = migrations.read(engine)

    migrate.upgrade(engine, "0006")

    after = migrations.read(engine)
    states = {row["annotation_id"]: row["state"] for row in before["annotation_revisions"]}
    assert len(states) == N_ROWS
    for row in after["annotation_revisions"]:
        state = states[row["annotation_id"]]
        assert [row[edge] for edge in ("x0", "y0", "x1", "y1")] == state["bbox_xyxy"]
        assert (row["mask_counts"] or b"").decode() == (state["mask"] or "")
        assert {name: row[name] for name in state if name in row} == {
            name: value for name, value in state.items() if name in row
        }
    ended_s = {row["annotation_id"]: row["changed_s"] for row in before["annotation_revisions"]}
    assert {row["id"]: row["changed_s"] for row in after["annotations"]} == ended_s


def test_a_table_that_is_made_anew_keeps_what_refers_to_it(engine: Engine, folder: Path) -> None:
    migrate.upgrade(engine)
    migrations.fill(engine)
    before = migrations.read(engine)
    add(folder, "projects", _BROADER, _NARROWER)

    migrate.upgrade(engine)
    assert migrate.current_revision(engine) == "added"
    assert migrations.read(engine) == before
    migrate.downgrade(engine, "-1")
    assert migrations.read(engine) == before


def test_a_migration_that_loses_data_would_be_noticed(engine: Engine, folder: Path) -> None:
    migrate.upgrade(engine)
    migrations.fill(engine)
    before = migrations.read(engine)
    add(folder, "projects", "op.execute('DELETE FROM job_issues WHERE id = 1')", "pass")

    migrate.upgrade(engine)

    after = migrations.read(engine)
    assert migrations.shared(after, before) != migrations.shared(before, after)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM job_issues")) == N_ROWS - 1
