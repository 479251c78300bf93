"""`komadori backup` and `restore`: what is restored is whole, and nothing half done looks like a backup."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from komadori.bootstrap import open_store, prepare_home
from komadori.cli.main import main
from komadori.core import disk
from komadori.core.errors import ConflictError, KomadoriError, NotFoundError, StorageError
from komadori.db import snapshots
from komadori.services import backup, check, garbage
from komadori.services.audit.findings import Kind
from komadori.settings import Settings
from tests.support.postgres import Server
from tests.support.stores import N_FRAMES, Filled, copied, fill, opened


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def filled(template: Settings, tmp_path: Path) -> Iterator[Filled]:
    with copied(template, tmp_path / "from") as made:
        yield made


def back_up(filled: Filled, target: Path, **options: bool) -> backup.About:
    return backup.back_up(filled.store, filled.settings.effective_database_url, target, **options)


def restore(source: Path, home: Path) -> Settings:
    settings = Settings(_env_file=None, home=home, embedder="fake", segmenter="fake")
    backup.restore(source, home, settings.effective_database_url)
    return settings


def found_in(settings: Settings) -> set[Kind]:
    store = replace(open_store(settings), waiting_hints=lambda: None)
    with closing(store.sessions):
        return set(check.check(store, is_deep=True, age_s=0.0, pause_s=0.0).counts)


def dump(filled: Filled) -> dict[str, list[str]]:
    """Every row of the tables that hold what people and models made."""
    tables = (
        "projects",
        "videos",
        "frames",
        "samplings",
        "embeddings",
        "annotations",
        "annotation_revisions",
    )
    with filled.store.sessions.read() as session:
        return {t: sorted(map(str, session.execute(text(f"SELECT * FROM {t}")))) for t in tables}


@pytest.mark.parametrize("is_linking", [True, False])
def test_what_is_restored_is_what_was_backed_up(filled: Filled, tmp_path: Path, is_linking: bool) -> None:
    about = back_up(filled, tmp_path / "backup", is_linking=is_linking)
    before = dump(filled)
    shutil.rmtree(filled.home)

    settings = restore(tmp_path / "backup", tmp_path / "new")

    assert (about.n_frames, about.n_missing, about.database) == (N_FRAMES, 0, "komadori.db")
    assert found_in(settings) == set()
    with opened(settings) as restored:
        assert dump(restored) == before
        assert garbage.collect(restored.store, age_s=0.0).counts == {}


def test_postgresql_is_dumped_and_restored_with_its_own_programs(
    tmp_path: Path, postgres_url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOMADORI_DATABASE_URL", postgres_url)
    name = postgres_server.new_database(is_empty=True)
    with opened(fill(tmp_path / "home")) as filled:
        about = back_up(filled, tmp_path / "backup")
        before = dump(filled)
        with pytest.raises(ConflictError, match=r"There is a database at .*\*\*\*@"):
            backup.restore(tmp_path / "backup", tmp_path / "new", filled.settings.effective_database_url)
        shutil.rmtree(tmp_path / "new")
        settings = filled.settings.model_copy(
            update={"home": tmp_path / "new", "database_url": postgres_server.url(name)}
        )
    backup.restore(tmp_path / "backup", settings.home, settings.effective_database_url)

    assert about.database == "komadori.pgdump"
    assert found_in(settings) == set()
    with opened(settings) as restored:
        assert dump(restored) == before
    postgres_server.drop(name)


def test_each_file_of_a_backup_can_be_checked_with_sha256sum(filled: Filled, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")

    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "backup", check=True)
    listed = {line[66:] for line in (tmp_path / "backup" / "SHA256SUMS").read_text().splitlines()}
    there = {
        p.relative_to(tmp_path / "backup").as_posix() for p in (tmp_path / "backup").rglob("*") if p.is_file()
    }
    assert there == listed | {"SHA256SUMS", "backup.json"}


def test_without_vectors_they_are_made_again_from_the_frames(filled: Filled, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup", with_vectors=False)

    assert found_in(restore(tmp_path / "backup", tmp_path / "new")) == {Kind.INDEX_DAMAGED}


def test_a_backup_does_not_change_with_the_store(filled: Filled, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")

    filled.run("DELETE FROM annotations")
    (space,) = filled.store.vectors.iterdir()
    for rows in space.glob("rows-*"):
        rows.write_bytes(b"")
    filled.image(1).unlink()

    assert found_in(restore(tmp_path / "backup", tmp_path / "new")) == set()


def test_pictures_that_come_while_the_database_is_copied_are_in_it(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = filled.image(1).with_name(f"0_50_50000_{'d' * 16}.jpg")
    save = snapshots.save

    def save_after_a_commit(url: str, folder: Path) -> Path:
        shutil.copyfile(filled.image(1), late)
        key = late.relative_to(filled.store.blobs).as_posix()
        same = "video_id, stream_index, time_base_num, time_base_den, width, height, thumbnail_key, "
        same += "image_sha256, perceptual_hash, is_key, is_suspect, transform"
        filled.run(
            f"INSERT INTO frames (id, decode_index, pts, image_key, {same}) "
            f"SELECT 50, 50, 50000, '{key}', {same} FROM frames WHERE id = 1"
        )
        return save(url, folder)

    monkeypatch.setattr(snapshots, "save", save_after_a_commit)
    about = back_up(filled, tmp_path / "backup")

    assert (about.n_frames, about.n_missing) == (N_FRAMES + 1, 0)
    assert found_in(restore(tmp_path / "backup", tmp_path / "new")) == set()


def test_a_backup_goes_to_a_new_folder_outside_the_home(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    for target in (tmp_path / "taken", filled.home / "backup"):
        with pytest.raises(ConflictError) as refused:
            back_up(filled, target)
        assert refused.value.code == "backup-target-taken"


def test_a_backup_that_is_interrupted_leaves_nothing(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("komadori.vectors.copying._head.create", stop)
    with pytest.raises(KeyboardInterrupt):
        back_up(filled, tmp_path / "backup")

    assert list(tmp_path.glob("*backup*")) == []


def test_what_a_killed_backup_left_is_no_backup_and_goes_with_the_next(
    filled: Filled, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    script = (
        "import os, sys; from pathlib import Path; from komadori.bootstrap import open_store;"
        "from komadori.services import backup; from komadori.settings import Settings;"
        "backup.json.dumps = lambda *a, **k: os.kill(os.getpid(), 9);"
        "settings = Settings();"
        "backup.back_up(open_store(settings), settings.effective_database_url, Path(sys.argv[1]))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(target)],
        env={**os.environ, **filled.settings.environment()},
        check=False,
    )
    (left,) = tmp_path.glob(".backup.*.part")
    assert killed.returncode == -9
    with pytest.raises(NotFoundError):
        backup.restore(left, tmp_path / "new", "sqlite:///nowhere.db")

    back_up(filled, target)

    assert list(tmp_path.glob(".backup.*")) == []


def test_a_home_that_is_not_empty_is_refused(filled: Filled, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")
    home = tmp_path / "new"
    (home / "models").mkdir(parents=True)
    (home / "mine.txt").write_text("x")

    with pytest.raises(ConflictError, match=r"is not empty: it has mine\.txt"):
        restore(tmp_path / "backup", home)

    assert sorted(path.name for path in home.iterdir()) == ["mine.txt", "models"]
    (home / "mine.txt").unlink()
    assert found_in(restore(tmp_path / "backup", home)) == set()


@pytest.mark.parametrize("damage", ["picture", "missing", "database", "sums"])
def test_a_damaged_backup_is_refused_and_the_home_is_none_yet(
    filled: Filled, tmp_path: Path, damage: str
) -> None:
    source = tmp_path / "backup"
    back_up(filled, source, is_linking=False)
    picture = next((source / "blobs" / "thumbnails").rglob("*.jpg"))
    if damage == "missing":
        picture.unlink()
    else:
        path = {"picture": picture, "database": source / "komadori.db", "sums": source / "SHA256SUMS"}[damage]
        path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(StorageError, match="missing or damaged"):
        restore(source, tmp_path / "new")
    with pytest.raises(KomadoriError, match=r"restore into .* was interrupted") as refused:
        prepare_home(Settings(_env_file=None, home=tmp_path / "new"))
    assert refused.value.code == "unfinished-restore"


def test_an_interrupted_restore_is_begun_again_by_the_next(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(filled, tmp_path / "backup")
    for interrupted in ("komadori.services.backup._put", "komadori.services.backup.migrate.upgrade"):
        with monkeypatch.context() as patch:
            patch.setattr(interrupted, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                restore(tmp_path / "backup", tmp_path / "new")

    assert found_in(restore(tmp_path / "backup", tmp_path / "new")) == set()


def test_a_name_that_leads_out_of_the_backup_is_refused(filled: Filled, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    about = back_up(filled, source)
    with (source / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  ../../out\n")
    sha256 = disk.sha256_of(source / "SHA256SUMS")
    content = json.loads((source / "backup.json").read_text())
    (source / "backup.json").write_text(json.dumps({**content, "sums_sha256": sha256}))

    with pytest.raises(KomadoriError, match="leads out of the backup"):
        restore(source, tmp_path / "new")
    assert about.sums_sha256 != sha256


def test_work_that_ran_is_queued_again_and_its_attempt_does_not_count(filled: Filled, tmp_path: Path) -> None:
    filled.run(
        "UPDATE jobs SET state = 'running', finished_s = NULL WHERE kind = 'annotate'",
        "UPDATE chunks SET state = 'running', owner = 'x/1/2', lease_until_s = 1, attempts = 3 "
        "WHERE kind = 'annotate'",
        "INSERT INTO workers VALUES ('x/1/2', 'sam3', 'ready', '', 1)",
    )
    back_up(filled, tmp_path / "backup")

    settings = restore(tmp_path / "backup", tmp_path / "new")

    with opened(settings) as restored:
        row = "SELECT state || attempts || coalesce(owner, '-') FROM chunks WHERE kind = 'annotate'"
        assert restored.value(row) == "queued2-"
        assert restored.value("SELECT count(*) FROM workers") == "0"
    assert found_in(settings) == set()


def test_a_backup_of_the_other_kind_of_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / snapshots.POSTGRESQL_NAME
    file.write_bytes(b"")

    with pytest.raises(ConflictError, match="another kind of database"):
        snapshots.load(file, f"sqlite:///{tmp_path / 'new.db'}")


def test_the_commands(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in filled.settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["backup", str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_frames"] == N_FRAMES
    assert main(["backup", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err.startswith("backup-target-taken: ")

    monkeypatch.setenv("KOMADORI_HOME", str(tmp_path / "new"))
    assert main(["restore", str(tmp_path / "b")]) == 0
    assert "Nothing is wrong; looked at " in capsys.readouterr().out
    assert main(["restore", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err.startswith("home-not-empty: ")
