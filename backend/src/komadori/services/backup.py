"""Backs up a store while the system runs, and restores it into an empty home.

The order makes that rows never name what is not there. Pictures are written before the rows
that name them and never change, so they may be linked: first those that are there, then the
database as it is at one moment, then the pictures that came in between. Vectors are copied
after the database, whose rows come after them. A backup has its name only once it is whole.
"""

import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import komadori
from komadori.core import disk
from komadori.core.errors import ConflictError, InputError, NotFoundError, StorageError
from komadori.core.file_lock import FileLock
from komadori.db import migrate, snapshots
from komadori.db.repositories import audits
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.session import Sessions
from komadori.services import ingest
from komadori.services.audit import vectors
from komadori.services.audit.look import Look, Store
from komadori.vectors import copying

FORMAT = 1
SUMS = "SHA256SUMS"
ABOUT = "backup.json"
UNFINISHED = ".restoring"
"""A home with this folder is being restored, or was when that was interrupted."""

_BESIDE = ".part"
_LOCK = "lock"
_MAY_BE_THERE = {"models", "lost+found"}


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself; ``n_missing`` pictures were not in the store either."""

    format: int
    komadori_version: str
    schema: str
    database: str
    created_s: float
    n_frames: int
    n_files: int
    n_bytes: int
    n_missing: int
    sums_sha256: str


def back_up(
    store: Store, url: str, target: Path, *, is_linking: bool = True, with_vectors: bool = True
) -> About:
    """Write a backup to ``target``, a folder that is not there yet: what it says of itself.

    Args:
        store: What to back up.
        url: Its database.
        target: The folder; everything is written beside it first.
        is_linking: Give pictures a second name where that is possible, instead of copying them.
        with_vectors: Else they are made again from the frames after a restore.

    Raises:
        ConflictError: There is something in the place of the target, or the target is in the home.
        StorageError: Something cannot be read or written.
    """
    target = target.absolute()
    _check_target(store, target)
    with disk.storage_errors(f"make a folder beside {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_killed_attempts(target)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_BESIDE, dir=target.parent))
    lock = FileLock(beside / _LOCK)
    lock.try_acquire()
    try:
        with disk.storage_errors(f"write the backup to {target}"):
            about = _Writer(store, beside, is_linking=is_linking).write(url, with_vectors=with_vectors)
            lock.path.unlink()
            os.sync()
            beside.chmod(0o700)
            beside.rename(target)
            disk.sync_folder(target.parent)
    finally:
        lock.release()
        shutil.rmtree(beside, ignore_errors=True)
    return about


def read_about(backup: Path) -> About:
    """What a backup says of itself.

    Raises:
        NotFoundError: There is none.
        ConflictError: A newer version has made it.
    """
    try:
        content = json.loads((backup / ABOUT).read_text("utf-8"))
        if content["format"] == FORMAT:
            return About(**content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(
            f"There is no backup in {backup}: {error}.",
            hint="Name the folder that `komadori backup` has written.",
            code="no-backup",
        ) from error
    raise ConflictError(
        f"The backup in {backup} has format {content['format']}, this version reads {FORMAT}.",
        hint="Restore it with the version that made it, or a newer one.",
        code="backup-too-new",
    )


def restore(backup: Path, home: Path, url: str) -> About:
    """Put a backup into an empty home: what it says of itself. The database goes last.

    Each file is compared with its SHA-256. An interrupted restore is begun again by the next one.

    Raises:
        ConflictError: The home or the database is not empty, or the backup is of another kind.
        NotFoundError: There is no backup.
        StorageError: A file of the backup is missing or damaged, or something cannot be written.
    """
    about = read_about(backup)
    with disk.storage_errors(f"restore into {home}"):
        home.mkdir(parents=True, exist_ok=True)
        _clear_unfinished(home)
        _check_empty(home)
        snapshots.check_is_new(url)
        (home / UNFINISHED).mkdir()
        for sha256, name in _sums(backup, about):
            if name != about.database:
                _put(backup / name, home / name, sha256)
            elif disk.sha256_of(backup / name) != sha256:
                raise _damaged(name)
        snapshots.load(backup / about.database, url)
        with closing(Sessions(url)) as sessions:
            migrate.upgrade(sessions.engine)
            with sessions.write() as session:
                chunk_rows.requeue_all(session)
        os.sync()
        (home / UNFINISHED).rmdir()
    return about


class _Writer:
    """Writes one backup into a folder."""

    def __init__(self, store: Store, folder: Path, *, is_linking: bool) -> None:
        self._store = store
        self._folder = folder
        self._is_linking = is_linking
        self._n_frames = self._n_files = self._n_bytes = self._n_missing = 0

    def write(self, url: str, *, with_vectors: bool) -> About:
        """Pictures, database, the other pictures, vectors; the sums and the description last."""
        schema = migrate.current_revision(self._store.sessions.engine)
        if schema != migrate.newest_revision():
            raise ConflictError(
                f"The database has the schema {schema}, this version needs {migrate.newest_revision()}.",
                hint="Back up with the version that made it, or start the API of this version first.",
                code="schema",
            )
        for _ in self._pictures(self._store.sessions):
            pass
        database = snapshots.save(url, self._folder)
        with (self._folder / SUMS).open("w", encoding="utf-8") as sums:
            self._note(sums, database, disk.sha256_of(database))
            with closing(self._sessions_of(url, database)) as sessions:
                for path, sha256 in self._pictures(sessions):
                    self._note(sums, path, sha256 or disk.sha256_of(path))
            if with_vectors:
                self._vectors(sums)
        about = About(
            FORMAT, komadori.__version__, str(schema), database.name, time.time(), self._n_frames,
            self._n_files, self._n_bytes, self._n_missing, disk.sha256_of(self._folder / SUMS),
        )  # fmt: skip
        (self._folder / ABOUT).write_text(json.dumps(asdict(about), indent=2) + "\n", "utf-8")
        return about

    def _sessions_of(self, url: str, database: Path) -> Sessions:
        """The rows whose pictures are needed: of the copy, or what PostgreSQL has by now, which is more."""
        return Sessions(f"sqlite:///{database}" if database.name == snapshots.SQLITE_NAME else url)

    def _pictures(self, sessions: Sessions) -> Iterator[tuple[Path, str | None]]:
        """Every picture that the rows name, now in the backup, and its SHA-256 where the ledger has it."""
        self._n_frames = self._n_missing = 0
        seen_video = ""
        for frame in audits.ledger(sessions):
            self._n_frames += 1
            if frame.sha256 != seen_video:
                seen_video = frame.sha256
                if path := self._take(ingest.index_key(frame.sha256)):
                    yield path, None
            for key, sha256 in ((frame.image_key, frame.image_sha256), (frame.thumbnail_key, None)):
                path = self._take(key)
                if path is None:
                    self._n_missing += 1
                else:
                    yield path, sha256

    def _take(self, key: str) -> Path | None:
        """The file of a key in the backup; None when it is not in the store."""
        path = self._folder / "blobs" / key
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        source = self._store.blobs / key
        try:
            if self._is_linking:
                disk.link_or_copy(source, path)
            else:
                shutil.copy2(source, path)
        except FileNotFoundError:
            return None
        return path

    def _vectors(self, sums: IO[str]) -> None:
        for _, space in vectors.known_spaces(Look(self._store)):
            copied = self._folder / "vectors" / space.key
            if copying.copy(self._store.vectors / space.key, copied):
                for path in sorted(copied.iterdir()):
                    self._note(sums, path, disk.sha256_of(path))

    def _note(self, sums: IO[str], path: Path, sha256: str) -> None:
        self._n_files += 1
        self._n_bytes += path.stat().st_size
        sums.write(f"{sha256}  {path.relative_to(self._folder).as_posix()}\n")


def _check_target(store: Store, target: Path) -> None:
    if target.resolve().is_relative_to(store.home.resolve()):
        raise ConflictError(
            f"The folder {target} is inside the home of Komadori.",
            hint="Name one outside, best on another disk.",
            code="backup-target-taken",
        )
    if target.exists() or target.is_symlink():
        raise ConflictError(
            f"There is something at {target} already.",
            hint="Name a folder that does not exist; each backup has its own.",
            code="backup-target-taken",
        )


def _clear_killed_attempts(target: Path) -> None:
    """Remove what backups to the same target left whose process is gone."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*{_BESIDE}"):
        if not FileLock(left / _LOCK).is_held():
            shutil.rmtree(left, ignore_errors=True)


def _sums(backup: Path, about: About) -> Iterator[tuple[str, str]]:
    """The files of a backup with their SHA-256, and no name that leads out of it."""
    sums = backup / SUMS
    if disk.sha256_of(sums) != about.sums_sha256:
        raise _damaged(SUMS)
    with sums.open(encoding="utf-8") as lines:
        for line in lines:
            sha256, _, name = line.rstrip("\n").partition("  ")
            if name.startswith("/") or ".." in name.split("/"):
                raise InputError(f"{name!r} leads out of the backup.", hint="Nothing was restored.")
            yield sha256, name


def _put(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, unless its bytes are not what they were. Two projects may have the same one."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with source.open("rb") as original, target.open("xb") as copied:
            while block := original.read(1 << 20):
                digest.update(block)
                if block.count(0) == len(block):
                    copied.seek(len(block), os.SEEK_CUR)
                else:
                    copied.write(block)
            copied.truncate()
    except FileNotFoundError as error:
        raise _damaged(source.name) from error
    if digest.hexdigest() != sha256:
        raise _damaged(source.name)


def _damaged(name: str) -> StorageError:
    return StorageError(
        f"The file {name} of the backup is missing or damaged.",
        hint="Restore another backup; this one can be looked at with `sha256sum -c SHA256SUMS`.",
        code="backup-damaged",
    )


def _check_empty(home: Path) -> None:
    found = sorted(path.name for path in home.iterdir() if path.name not in _MAY_BE_THERE)
    if found:
        raise ConflictError(
            f"The home {home} is not empty: it has {found[0]}.",
            hint="Restore into a new folder: set KOMADORI_HOME, or move this one away.",
            code="home-not-empty",
        )


def _clear_unfinished(home: Path) -> None:
    """Remove what an interrupted restore has put here: it had found the home empty."""
    if (home / UNFINISHED).is_dir():
        for name in ("blobs", "vectors"):
            shutil.rmtree(home / name, ignore_errors=True)
        for path in home.glob("*komadori.db*"):
            path.unlink()
        (home / UNFINISHED).rmdir()
