"""`komadori gc`: a store that is in order has nothing for it, what was left behind goes, and only that."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from komadori.cli.main import main
from komadori.core import process_names
from komadori.core.errors import ConflictError
from komadori.core.file_lock import FileLock
from komadori.db.repositories import audits
from komadori.services import garbage
from komadori.services.audit.findings import HARMLESS, Kind
from komadori.services.garbage import Garbage
from komadori.settings import Settings
from tests.support.stores import Filled, copied, fill, opened

SHA = "ab" * 32


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def filled(template: Settings, tmp_path: Path) -> Iterator[Filled]:
    with copied(template, tmp_path) as made:
        yield made


@pytest.fixture
def on_both(tmp_path: Path, both_databases: str) -> Iterator[Filled]:
    with opened(fill(tmp_path / "home")) as made:
        yield made


def litter(filled: Filled) -> set[Kind]:
    """One thing of each kind that may be left behind, on the disk and in rows: the kinds."""
    blobs = filled.store.blobs
    target = filled.export_target
    job_id = filled.value("SELECT id FROM jobs WHERE kind = 'export'")
    for path in (
        filled.image(1).with_name(f"0_77_77000_{'c' * 16}.jpg"),
        blobs / "thumbnails" / "ab" / SHA / "0_1_1000.jpg",
        blobs / "indexes" / "ab" / f"{SHA}.idx",
        blobs / "proxies" / "ab" / f"{SHA}.mp4",
        blobs / "proxies" / "ab" / f"{SHA}.0.part",
        blobs / "queries" / "ab" / f"{SHA}.png",
        blobs / "sources" / "ab" / SHA,
        filled.home / "uploads" / f"{'1' * 32}.part",
        blobs / ".scratch" / "tmpabc" / "frame.jpg",
        filled.store.models / "acme--eye" / f".{'0' * 40}.partial" / "config.json.part",
        target.with_name(f".{target.name}.{job_id}.abc") / "manifest.json",
        filled.index / "log-000009",
        filled.store.vectors / "other" / "head",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (filled.home / "run").mkdir(exist_ok=True)
    (filled.home / "run" / "up.lock").write_text(json.dumps({"pid": 2**22 + 1, "url": ""}))
    filled.run(
        f"INSERT INTO workers VALUES ('x/1/2', 'siglip', 'ready', '', {time.time() - 10_000})",
        "DELETE FROM embeddings WHERE frame_id = 2",
    )
    return {
        Kind.ORPHAN_FILE, Kind.STALE_SCRATCH, Kind.STALE_DOWNLOAD, Kind.STALE_EXPORT, Kind.INDEX_LEFTOVER,
        Kind.ORPHAN_INDEX, Kind.STALE_LOCK, Kind.STALE_UPLOAD, Kind.SILENT_WORKER, Kind.ORPHAN_VECTOR,
    }  # fmt: skip


def collect(filled: Filled, *, is_dry_run: bool = False, age_s: float = 0.0) -> Garbage:
    return garbage.collect(filled.store, is_dry_run=is_dry_run, age_s=age_s)


def tree(filled: Filled) -> set[str]:
    ignored = ("komadori.db-wal", "komadori.db-shm", "lock")
    return {str(p) for p in filled.home.parent.rglob("*") if p.name not in ignored}


def test_a_store_in_order_has_no_garbage_and_keeps_everything(on_both: Filled) -> None:
    before = tree(on_both)

    assert collect(on_both).counts == {}
    assert tree(on_both) == before


def test_every_kind_is_found_removed_and_nothing_else(on_both: Filled) -> None:
    before = tree(on_both)
    kinds = litter(on_both)
    littered = tree(on_both)

    planned = collect(on_both, is_dry_run=True)
    assert tree(on_both) == littered
    assert set(planned.counts) == kinds
    assert planned.counts[Kind.ORPHAN_FILE] == 7
    assert planned.n_bytes[Kind.ORPHAN_FILE] == 35

    assert collect(on_both).as_json() == planned.as_json()
    assert on_both.check(is_deep=True).findings == []
    assert before <= tree(on_both)
    assert collect(on_both).counts == {}


def test_what_was_touched_lately_is_left_alone(filled: Filled) -> None:
    litter(filled)
    littered = {path for path in tree(filled) if not path.endswith(("up.lock", "log-000009"))}

    found = collect(filled, age_s=3600.0)

    assert set(found.counts) == {Kind.SILENT_WORKER, Kind.ORPHAN_VECTOR, Kind.STALE_LOCK}
    assert littered <= tree(filled)


def test_what_a_chunk_that_runs_may_name_is_left_alone(filled: Filled) -> None:
    orphan = filled.image(1).with_name(f"0_77_77000_{'c' * 16}.jpg")
    index = filled.store.blobs / "indexes" / "ab" / f"{SHA}.idx"
    index.parent.mkdir(parents=True)
    for path in (orphan, index):
        path.write_bytes(b"x")
    filled.run("DELETE FROM embeddings WHERE frame_id = 2")
    running = f"state = 'running', owner = '{process_names.own_name()}', lease_until_s = {time.time() + 60}"
    same = "job_id, queue, state, attempts, owner, lease_until_s, total, done, skipped, failed"
    insert = (
        f"INSERT INTO chunks (id, position, kind, payload, {same}) "
        f"SELECT {{id}}, {{id}}, '{{kind}}', '{{payload}}', {same} FROM chunks WHERE id = 1"
    )
    filled.run(
        f"UPDATE chunks SET {running} WHERE kind = 'embed'",
        insert.format(id=98, kind="decode", payload=json.dumps({"video_id": 1}).replace(":", "\\:")),
        insert.format(id=99, kind="probe", payload="{}"),
    )

    assert collect(filled).counts == {}
    assert orphan.exists()

    filled.run("UPDATE chunks SET state = 'done', owner = NULL")
    assert collect(filled).counts == {Kind.ORPHAN_FILE: 2, Kind.ORPHAN_VECTOR: 1}


def test_while_the_chunks_are_held_none_can_begin_or_end(on_both: Filled) -> None:
    engine = on_both.store.sessions.engine
    is_sqlite = engine.dialect.name == "sqlite"
    patience = "PRAGMA busy_timeout=50" if is_sqlite else "SET lock_timeout = '50ms'"
    with engine.connect() as other:
        other.exec_driver_sql(patience)
        other.commit()
        with on_both.store.sessions.write() as session:
            audits.hold_chunks(session)
            with pytest.raises(DBAPIError, match=r"locked|lock timeout"):
                other.exec_driver_sql("UPDATE chunks SET attempts = attempts + 1")
            other.rollback()


def test_rows_whose_parent_is_gone_go_with_what_they_named(filled: Filled) -> None:
    filled.run("DELETE FROM videos")
    assert Kind.ORPHAN_ROW in {kind for kind, _ in filled.found()}

    found = collect(filled)

    assert found.counts[Kind.ORPHAN_ROW] > 0
    assert found.counts[Kind.ORPHAN_FILE] == 12
    assert filled.check().findings == []


def test_an_interrupt_at_any_point_leaves_only_what_the_next_one_removes(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter(filled)
    add, left = Garbage.add, 0

    def add_or_stop(self: Garbage, kind: Kind, name: str, n_bytes: int = 0, n: int = 1) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        add(self, kind, name, n_bytes, n)

    monkeypatch.setattr(Garbage, "add", add_or_stop)
    for stop_after in range(0, 12, 2):
        left = stop_after
        try:
            collect(filled)
        except KeyboardInterrupt:
            assert {kind for kind, _ in filled.found(is_deep=True)} <= HARMLESS
    left = 100
    collect(filled)

    assert filled.check(is_deep=True).findings == []


def test_a_former_export_is_put_back_and_not_removed(filled: Filled) -> None:
    target = filled.export_target
    job_id = filled.value("SELECT id FROM jobs WHERE kind = 'export'")
    former = target.rename(target.with_name(f".{target.name}.{job_id}.abc.former"))

    assert collect(filled).counts == {Kind.STALE_EXPORT: 1}
    assert (target / "manifest.json").exists()
    assert not former.exists()


def test_a_database_that_knows_hardly_a_frame_is_refused(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_SUSPICIOUS_FILES", 5)
    filled.run("DELETE FROM frames WHERE id > 2", "DELETE FROM frames WHERE id = 1")
    before = tree(filled)

    with pytest.raises(ConflictError, match="does not know 5 of the 6 images") as refused:
        collect(filled)
    assert refused.value.code == "another-database"
    assert tree(filled) == before

    assert garbage.collect(filled.store, age_s=0.0, is_forced=True).counts[Kind.ORPHAN_FILE] == 10


def test_another_schema_is_refused(filled: Filled) -> None:
    filled.run("UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(ConflictError, match="another schema"):
        collect(filled)


def test_a_lock_that_somebody_holds_is_left_alone(filled: Filled) -> None:
    path = filled.home / "run" / "up.lock"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"pid": 2**22 + 1, "url": ""}))  # as in another container
    lock = FileLock(path)
    assert lock.try_acquire()

    assert collect(filled).counts == {}
    assert path.exists()
    lock.release()


def test_the_command_says_what_it_removes(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in filled.settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["gc"]) == 0
    assert capsys.readouterr().out == "There is nothing to remove.\n"

    filled.run("DELETE FROM embeddings WHERE frame_id = 2")
    assert main(["gc", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("orphan-vector: 1, ")
    assert said.endswith(" would be removed.\n")

    assert main(["gc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"orphan-vector": 1}
