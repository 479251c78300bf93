"""`komadori check` on a real store: a whole one is clean, and each fault is named with its remedy."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from komadori.cli.main import main
from komadori.core import process_names
from komadori.core.errors import StorageError
from komadori.core.types import Queue
from komadori.db import migrate
from komadori.services import check
from komadori.services.audit.findings import HARMLESS, MEANINGS, REMEDIES, Kind
from komadori.settings import Settings
from tests.support.stores import N_FRAMES, Filled, copied, fill, opened

SHA = "ab" * 32


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def filled(template: Settings, tmp_path: Path) -> Iterator[Filled]:
    with copied(template, tmp_path) as made:
        yield made


def test_a_store_that_was_used_in_every_way_is_clean(tmp_path: Path, both_databases: str) -> None:
    with opened(fill(tmp_path / "home")) as filled:
        report = filled.check(is_deep=True)

    assert report.findings == []
    assert report.seen["frames"] == report.seen["vectors"] == N_FRAMES
    assert min(report.seen[what] for what in ("jobs", "chunks", "annotations", "files")) > 0


def test_rows_that_do_not_fit_together_are_named(tmp_path: Path, both_databases: str) -> None:
    with opened(fill(tmp_path / "home")) as filled:
        long_ago = time.time() - 10_000
        filled.run(
            "UPDATE jobs SET state = 'running', finished_s = NULL WHERE id = 1",
            "UPDATE chunks SET done = done + 1 WHERE id = 1",
            "UPDATE chunks SET position = 7 WHERE id = 2",
            f"UPDATE chunks SET state = 'running', owner = 'a/1/2', lease_until_s = {long_ago} WHERE id = 3",
            f"INSERT INTO workers VALUES ('x/1/2', 'siglip', 'ready', '', {long_ago})",
            "UPDATE videos SET state = 'extracting'",
            "UPDATE frames SET time_base_den = 0 WHERE id = 1",
            "UPDATE frames SET pts = 99999 WHERE id = 3",
            "UPDATE annotations SET x1 = 65 WHERE id = 2",
            "UPDATE annotations SET mask_counts = NULL WHERE id = 3",
            "UPDATE annotations SET revision = 3 WHERE id = 4",
            "DELETE FROM run_frames WHERE frame_id = 6",
            "UPDATE run_frames SET n_detections = -1 WHERE frame_id = 2",
        )
        found = filled.found()

    assert (Kind.STUCK_JOB, "job 1") in found
    assert (Kind.CHUNK_COUNTS, "chunk 1 of job 1") in found
    assert (Kind.CHUNK_MISSING, "job 2") in found
    assert (Kind.LOST_CHUNK, "chunk 3 of job 3") in found
    assert (Kind.STUCK_JOB, "job 3") in found
    assert (Kind.SILENT_WORKER, "worker x/1/2") in found
    assert (Kind.STUCK_VIDEO, "video 1") in found
    assert {s for kind, s in found if kind is Kind.LEDGER} == {"frame 1", "frame 4"}
    assert {s for kind, s in found if kind is Kind.ANNOTATION_BOX} == {"annotation 2"}
    assert {s for kind, s in found if kind is Kind.ANNOTATION_MASK} == {"annotation 3"}
    assert {s for kind, s in found if kind is Kind.ANNOTATION_REVISIONS} == {"annotation 4"}
    assert Kind.ANNOTATION_ORIGIN in {kind for kind, _ in found}
    assert (Kind.RUN_FRAME, "frame 2") in found


FAULTS = [
    ("UPDATE jobs SET finished_s = NULL WHERE id = 1", Kind.JOB_STATE),
    ("UPDATE chunks SET state = 'failed', failed = total, done = 0 WHERE id = 1", Kind.JOB_STATE),
    ("UPDATE jobs SET state = 'failed' WHERE id = 1", Kind.JOB_STATE),
    ("UPDATE chunk_counts SET done = done + 1 WHERE job_id = 1", Kind.JOB_COUNTS),
    ("UPDATE chunks SET owner = 'a/1/2' WHERE id = 1", Kind.CHUNK_OWNER),
    ("UPDATE jobs SET is_open = 1, state = 'running', parent_id = 2 WHERE id = 1", Kind.STUCK_JOB),
    ("UPDATE chunks SET skipped = -1, done = total + 1 WHERE id = 1", Kind.CHUNK_COUNTS),
    ("DELETE FROM videos", Kind.ORPHAN_ROW),
    ("UPDATE frames SET image_sha256 = 'x' WHERE id = 1", Kind.LEDGER),
    ("UPDATE frames SET image_key = 'frames/aa/x.jpg' WHERE id = 1", Kind.LEDGER),
    ("UPDATE annotations SET x1 = x0 WHERE id = 1", Kind.ANNOTATION_BOX),
    ("UPDATE annotations SET mask_height = 9 WHERE id = 2", Kind.ANNOTATION_MASK),
    ("UPDATE annotations SET mask_counts = x'3131' WHERE id = 2", Kind.ANNOTATION_MASK),
    ("UPDATE annotations SET confidence = 2 WHERE id = 1", Kind.ANNOTATION_ORIGIN),
    ("UPDATE annotations SET source = 'nobody' WHERE id = 1", Kind.ANNOTATION_ORIGIN),
    ("UPDATE annotations SET run_id = NULL WHERE id = 2", Kind.ANNOTATION_ORIGIN),
    ("DELETE FROM annotation_revisions WHERE revision = 1", Kind.ANNOTATION_REVISIONS),
    ("DELETE FROM embeddings WHERE frame_id = 2", Kind.ORPHAN_VECTOR),
    ("INSERT INTO embeddings VALUES (1, 99)", Kind.VECTOR_MISSING),
    ("UPDATE embedding_spaces SET dim = 8", Kind.INDEX_DAMAGED),
    ("UPDATE alembic_version SET version_num = '0000'", Kind.SCHEMA),
]


def test_each_fault_of_the_rows_has_its_kind(filled: Filled) -> None:
    database = filled.home / "komadori.db"
    whole = database.read_bytes()
    for statement, kind in FAULTS:
        filled.run(statement)
        assert kind in {found for found, _ in filled.found()}, statement
        filled.store.sessions.close()
        database.write_bytes(whole)


def test_pictures_that_are_missing_or_damaged_are_named(filled: Filled) -> None:
    filled.image(1).unlink()
    filled.image(2).write_bytes(b"")
    filled.thumbnail(3).unlink()
    filled.image(4).write_bytes(filled.image(5).read_bytes())
    filled.thumbnail(5).write_bytes(filled.thumbnail(5).read_bytes()[:-20])

    plain = {(Kind.IMAGE_MISSING, "frame 1"), (Kind.IMAGE_DAMAGED, "frame 2")}
    plain |= {(Kind.THUMBNAIL_MISSING, "frame 3")}
    assert filled.found() == plain
    deep = {(Kind.IMAGE_DAMAGED, "frame 4"), (Kind.THUMBNAIL_DAMAGED, "frame 5")}
    assert filled.found(is_deep=True) == plain | deep


def test_files_without_a_row_are_named(filled: Filled) -> None:
    blobs, folder = filled.store.blobs, filled.image(1).parent
    orphans = [
        folder / f"0_77_77000_{'c' * 16}.jpg",
        blobs / "thumbnails" / "ab" / SHA / "0_1_1000.jpg",
        blobs / "indexes" / "ab" / f"{SHA}.idx",
        blobs / "queries" / "ab" / f"{SHA}.png",
        blobs / "sources" / "ab" / SHA,
    ]
    strangers = [folder / "notes.txt", blobs / "mine"]
    for path in [*orphans, *strangers]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")

    named = {(Kind.ORPHAN_FILE, path.relative_to(filled.home).as_posix()) for path in orphans}
    named |= {(Kind.UNKNOWN_FILE, path.relative_to(filled.home).as_posix()) for path in strangers}
    assert filled.found() == named


NAMING_A_SOURCE = [
    f"INSERT INTO uploads VALUES ('{'1' * 32}', 'clip.mp4', 1, '', NULL, '{SHA}', 0, 0)",
    f"UPDATE jobs SET kind = 'ingest', state = 'paused', is_open = 1, finished_s = NULL, "
    f'parameters = \'{{"path"\\: "blob\\:sources/ab/{SHA}"}}\' WHERE id = 1',
]


@pytest.mark.parametrize("statement", NAMING_A_SOURCE, ids=["upload", "paused ingest"])
def test_a_source_that_is_to_become_a_video_is_no_orphan(filled: Filled, statement: str) -> None:
    source = filled.store.blobs / "sources" / "ab" / SHA
    source.parent.mkdir(parents=True)
    source.write_bytes(b"x")
    orphan = (Kind.ORPHAN_FILE, source.relative_to(filled.home).as_posix())
    assert orphan in filled.found()

    filled.run(statement)

    assert orphan not in filled.found()


def test_an_uploaded_video_that_is_missing_or_damaged_is_named(filled: Filled) -> None:
    sha256 = filled.value("SELECT sha256 FROM videos")
    source = filled.store.blobs / "sources" / sha256[:2] / sha256
    source.parent.mkdir(parents=True)
    source.write_bytes(bytes(int(filled.value("SELECT size_bytes FROM videos"))))
    filled.run(f"UPDATE videos SET source_uri = 'blob\\:sources/{sha256[:2]}/{sha256}'")

    assert filled.found() == set()
    assert filled.found(is_deep=True) == {(Kind.SOURCE_MISSING, "video 1")}
    source.unlink()
    assert filled.found() == {(Kind.SOURCE_MISSING, "video 1")}


def test_what_is_new_is_not_judged_but_counted(filled: Filled) -> None:
    path = filled.store.blobs / "indexes" / "ab" / f"{SHA}.idx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    os.utime(path, (0, 0))  # moved there from elsewhere a moment ago

    report = filled.check(age_s=3600.0)

    assert report.is_clean
    assert report.young == {"files": 1}


def test_what_killed_processes_left_is_named(filled: Filled) -> None:
    job_id = filled.value("SELECT id FROM jobs WHERE kind = 'export'")
    left = {
        Kind.STALE_SCRATCH: filled.store.blobs / ".scratch" / "tmpabc",
        Kind.STALE_EXPORT: filled.export_target.with_name(f".dataset.{job_id}.abc"),
        Kind.STALE_DOWNLOAD: filled.store.models / "acme--eye" / f".{'0' * 40}.partial",
    }
    for path in left.values():
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x")
    run = filled.home / "run"
    run.mkdir(exist_ok=True)
    (run / "up.lock").write_text(json.dumps({"pid": 2**22 + 1, "url": ""}))

    assert {kind for kind, _ in filled.found()} == {*left, Kind.STALE_LOCK}


def test_a_lock_and_a_socket_of_living_processes_are_none(filled: Filled, tmp_path: Path) -> None:
    (filled.home / "run").mkdir(exist_ok=True)
    (filled.home / "run" / "up.lock").write_text(json.dumps({"pid": os.getpid(), "url": ""}))
    path = tmp_path / "broker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        look = replace(filled.store, broker_socket=path)
        assert check.check(look, age_s=0, pause_s=0).findings == []

    (finding,) = check.check(look, age_s=0, pause_s=0).findings
    assert finding.key == (Kind.STALE_LOCK, str(path))


def test_damage_in_the_index_is_named(filled: Filled) -> None:
    rows = next(filled.index.glob("rows-*"))
    content = bytearray(rows.read_bytes())
    vectors = content.rfind(np.float32(0).tobytes() * 3)
    assert vectors > 0
    dim = int(filled.value("SELECT dim FROM embedding_spaces"))
    at = len(content) - 16_384 * dim * 4
    content[at : at + 4] = np.float32(np.nan).tobytes()
    content[dim : 2 * dim] = bytes(b ^ 0x40 for b in content[dim : 2 * dim])
    rows.write_bytes(content)

    name = f"vectors/{filled.index.name}"
    assert filled.found() == {(Kind.VECTOR_DAMAGED, f"frame 1 in {name}")}
    assert filled.found(is_deep=True) == {(Kind.VECTOR_DAMAGED, f"frame {i} in {name}") for i in (1, 2)}

    rows.write_bytes(content[:-1])
    assert filled.found() == {(Kind.INDEX_DAMAGED, name)}
    rows.unlink()
    assert filled.found() == {(Kind.INDEX_DAMAGED, name)}


def test_an_index_of_no_space_and_files_that_an_index_does_not_name_are_named(filled: Filled) -> None:
    (filled.index / "log-000009").write_bytes(b"")
    (filled.store.vectors / "other").mkdir()

    found = filled.found()

    assert {kind for kind, _ in found} == {Kind.INDEX_LEFTOVER, Kind.ORPHAN_INDEX}


@pytest.mark.parametrize("first_page", [0, -3])
def test_a_damaged_database_is_said_first_and_alone(filled: Filled, first_page: int) -> None:
    filled.store.sessions.close()
    path = filled.home / "komadori.db"
    content = bytearray(path.read_bytes())
    at = (first_page * 4096 or 100) % len(content)
    content[at : at + 16] = b"\xff" * 16
    path.write_bytes(content)

    report = filled.check()

    assert set(report.counts) == {Kind.DATABASE_DAMAGED}


def test_hints_that_nobody_takes_are_named(filled: Filled) -> None:
    store = replace(filled.store, waiting_hints=lambda: {Queue.SAM3: 5_000, Queue.DEFAULT: 3})

    (finding,) = check.check(store, age_s=0, pause_s=0).findings

    assert finding.key == (Kind.HINTS_PILED_UP, "queue sam3")


def test_what_is_put_right_between_the_two_looks_is_no_finding(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = filled.image(1)
    elsewhere = key.rename(filled.home / "elsewhere.jpg")
    monkeypatch.setattr("komadori.services.check.time.sleep", lambda _s: elsewhere.rename(key))

    assert filled.check().is_clean


def test_what_only_one_of_the_two_looks_sees_is_no_finding(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = filled.image(1), filled.image(2)
    elsewhere = first.rename(filled.home / "elsewhere.jpg")

    def change(_s: float) -> None:
        elsewhere.rename(first)
        second.unlink()

    monkeypatch.setattr("komadori.services.check.time.sleep", change)

    assert filled.check().is_clean


def test_a_chunk_that_runs_may_have_vectors_before_their_rows(filled: Filled) -> None:
    filled.run("DELETE FROM embeddings WHERE frame_id = 2")
    owner, until_s = process_names.own_name(), time.time() + 60
    filled.run(
        f"UPDATE chunks SET state = 'running', done = 0, owner = '{owner}', lease_until_s = {until_s} "
        "WHERE kind = 'embed'",
        "UPDATE jobs SET state = 'running', finished_s = NULL WHERE kind = 'embed'",
    )

    assert filled.found() == set()


def test_a_folder_that_goes_while_it_is_read_is_no_error_and_one_that_is_closed_is(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def scan(error: OSError) -> Callable[[Path], object]:
        def refuse_frames(folder: Path) -> object:
            if folder == filled.image(1).parent:
                raise error
            return scandir(folder)

        return refuse_frames

    monkeypatch.setattr("komadori.services.audit.files.os.scandir", scan(FileNotFoundError(2, "gone")))
    assert filled.check().is_clean

    monkeypatch.setattr("komadori.services.audit.files.os.scandir", scan(PermissionError(13, "closed")))
    with pytest.raises(StorageError, match="Could not look at what is stored: closed"):
        filled.check()


def test_many_findings_of_a_kind_are_counted_and_the_first_named(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MAX_NAMED", 2)
    for frame_id in range(1, N_FRAMES + 1):
        filled.thumbnail(frame_id).unlink()

    report = filled.check()

    assert report.counts == {Kind.THUMBNAIL_MISSING: N_FRAMES}
    assert [finding.subject for finding in report.findings] == ["frame 1", "frame 2"]


def test_every_kind_has_a_meaning_and_a_remedy() -> None:
    assert set(REMEDIES) == set(MEANINGS) == set(Kind)
    assert set(Kind) > HARMLESS


def test_the_command_prints_findings_and_fails_with_them(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "PAUSE_S", 0.0)
    for name, value in filled.settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["check", "--deep"]) == 0
    assert capsys.readouterr().out.startswith("Nothing is wrong; looked at ")

    filled.image(1).unlink()
    assert main(["check"]) == 1
    said = capsys.readouterr().out
    assert "image-missing: 1\n  frame 1: There is no file frames/" in said
    assert "  > `komadori verify VIDEO` takes it from the video again.\n" in said

    assert main(["check", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [(f["kind"], f["subject"], f["is_harmless"]) for f in answer["findings"]] == [
        ("image-missing", "frame 1", False)
    ]


def test_a_home_without_a_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOMADORI_HOME", str(tmp_path))

    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("no-database: ")
    assert list(tmp_path.iterdir()) == []


def test_a_check_writes_nothing(filled: Filled) -> None:
    def files() -> set[str]:
        return {path.relative_to(filled.home).as_posix() for path in filled.home.rglob("*")}

    before = files()
    filled.check(is_deep=True)

    assert files() - before <= {"komadori.db-wal", "komadori.db-shm"}
    assert migrate.is_newest(filled.store.sessions)
