"""Removes what nothing names any more, while the system runs or while it is stopped.

Nothing is removed that was touched within a day, or that a chunk that runs may be about to
name. What might become named meanwhile is looked at again while no chunk can begin or end,
and removed before one can. Each step leaves the store as it should be, so that an interrupt
at any point does no harm: what is left is found the next time.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.orm import Session

from komadori.core import disk
from komadori.core.errors import ConflictError
from komadori.core.file_lock import FileLock
from komadori.core.types import EmbeddingSpace, JsonDict
from komadori.db import migrate
from komadori.db.repositories import audits, embeddings, workers
from komadori.db.repositories.statements import lock_bytes
from komadori.services import export, ingest, proxy
from komadori.services.audit import files, vectors
from komadori.services.audit.files import Batch
from komadori.services.audit.findings import Kind
from komadori.services.audit.jobs import SILENT_WORKER_S
from komadori.services.audit.look import SAFE_AGE_S, Look, Store
from komadori.vectors import inspection

MAX_NAMED = 1000
_VECTORS_AT_ONCE = 10_000
_SUSPICIOUS_SHARE = 0.5
_SUSPICIOUS_FILES = 100
_WRITTEN_BY = {"indexes": ingest.PROBE, "proxies": proxy.KIND}
_REMOVED = ".removed-"
"""How the name of an index begins that is on its way out."""


@dataclass(slots=True)
class Garbage:
    """What was removed, or would be.

    Attributes:
        names: What it is, at most ``MAX_NAMED`` of a kind.
        counts: How many there are of each kind.
        n_bytes: What they take on the disk, by kind.
    """

    names: dict[Kind, list[str]] = field(default_factory=dict)
    counts: Counter[Kind] = field(default_factory=Counter)
    n_bytes: Counter[Kind] = field(default_factory=Counter)

    def add(self, kind: Kind, name: str, n_bytes: int = 0, n: int = 1) -> None:
        """Count something, and name it if there is room."""
        self.counts[kind] += n
        self.n_bytes[kind] += n_bytes
        named = self.names.setdefault(kind, [])
        if len(named) < MAX_NAMED:
            named.append(name)

    def as_json(self) -> JsonDict:
        """As `komadori gc --json` prints it."""
        return {
            "counts": {kind.value: n for kind, n in self.counts.items()},
            "bytes": {kind.value: self.n_bytes[kind] for kind in self.counts},
            "names": {kind.value: names for kind, names in self.names.items()},
        }


def collect(
    store: Store, *, is_dry_run: bool = False, age_s: float = SAFE_AGE_S, is_forced: bool = False
) -> Garbage:
    """Remove what `komadori check` calls left behind: what there was.

    Args:
        store: What to clean.
        is_dry_run: Only say what would be removed.
        age_s: Nothing is removed that was touched since; 0 is for a store that nobody uses.
        is_forced: Also when the database knows less than half of the stored frames.

    Raises:
        ConflictError: The database has another schema, or seems to be that of another home.
        StorageError: Something cannot be read or removed.
    """
    if not migrate.is_newest(store.sessions):
        raise ConflictError(
            "The database has another schema than this version needs.",
            hint="Start the API of this version first, which brings the database to its schema.",
            code="schema",
        )
    look = Look(store, age_s=age_s)
    with disk.storage_errors("remove what nothing names"):
        if not is_forced:
            _check_home(look)
        return _Collector(look, is_dry_run).everything()


class _Collector:
    """Goes through the store once."""

    def __init__(self, look: Look, is_dry_run: bool) -> None:
        self._look = look
        self._store = look.store
        self._is_dry_run = is_dry_run
        self._found = Garbage()

    def everything(self) -> Garbage:
        """All kinds, rows before the files and vectors that only they name."""
        self._rows()
        self._workers()
        for batch in files.batches(self._look):
            self._files(batch)
        for space_id, space in vectors.known_spaces(self._look):
            self._vectors(space_id, space)
        self._indexes()
        self._folders(Kind.STALE_SCRATCH, files.stale_scratch(self._look))
        self._exports()
        self._folders(Kind.STALE_DOWNLOAD, files.stale_downloads(self._look))
        self._folders(Kind.STALE_UPLOAD, files.stale_uploads(self._look))
        self._locks()
        return self._found

    def _rows(self) -> None:
        with self._store.sessions.read() as session:
            for table, column, n in audits.dangling(session):
                self._found.add(Kind.ORPHAN_ROW, f"{table}.{column}", n=n)
        if self._found.counts and not self._is_dry_run:
            with self._store.sessions.write() as session:
                audits.remove_dangling(session)

    def _workers(self) -> None:
        with self._store.sessions.read() as session:
            silent = audits.silent_workers(session, SILENT_WORKER_S)
        for name, _ in silent:
            self._found.add(Kind.SILENT_WORKER, name)
        if silent and not self._is_dry_run:
            with self._store.sessions.write() as session:
                workers.forget_silent(session)

    def _files(self, batch: Batch) -> None:
        """Looked at again and removed while no chunk can begin: it would write the same name anew."""
        with self._store.sessions.read() as session:
            found = self._old(files.unnamed(session, batch))
        if not found or self._is_dry_run:
            self._note(Kind.ORPHAN_FILE, found)
            return
        with self._store.sessions.write() as session:
            audits.hold_chunks(session)
            if batch.place == "sources":
                for path in found:
                    lock_bytes(session, path.name)
            if not _is_being_written(session, batch):
                still = self._old(files.unnamed(session, replace(batch, names=[path.name for path in found])))
                self._note(Kind.ORPHAN_FILE, still)
                for path in still:
                    path.unlink(missing_ok=True)

    def _vectors(self, space_id: int, space: EmbeddingSpace) -> None:
        """Looked at again and removed while no chunk can commit the row that a vector belongs to."""
        directory = self._store.vectors / space.key
        index = inspection.inspect(directory, space.dim)
        if index is None or index.faults:
            return
        unused = self._old(index.unused)
        self._note(Kind.INDEX_LEFTOVER, unused)
        suspected = vectors.orphan_vectors(self._look, space_id, index.ids)
        for start in range(0, len(suspected), _VECTORS_AT_ONCE):
            self._remove_vectors(space_id, space, suspected[start : start + _VECTORS_AT_ONCE].tolist())
        if unused and not self._is_dry_run:
            inspection.tidy(directory, space.dim)

    def _remove_vectors(self, space_id: int, space: EmbeddingSpace, frame_ids: list[int]) -> None:
        with self._store.sessions.write() if not self._is_dry_run else nullcontext() as session:
            if session is not None:
                audits.hold_chunks(session)
                named = embeddings.embedded(session, space_id, frame_ids)
                named |= set(vectors.being_embedded(self._look).tolist())
                frame_ids = [frame_id for frame_id in frame_ids if frame_id not in named]
                self._store.index_of(space).delete(frame_ids)
        for frame_id in frame_ids:
            self._found.add(Kind.ORPHAN_VECTOR, f"frame {frame_id} in vectors/{space.key}", space.dim * 5)

    def _indexes(self) -> None:
        """Renamed before it is removed: what is left of it then is no index any more."""
        for path in vectors.orphan_indexes(self._look):
            self._note(Kind.ORPHAN_INDEX, [path])
            if not self._is_dry_run:
                is_renamed = path.name.startswith(_REMOVED)
                shutil.rmtree(path if is_renamed else path.rename(path.with_name(_REMOVED + path.name)))

    def _exports(self) -> None:
        for path, target in files.stale_exports(self._look).items():
            self._found.add(Kind.STALE_EXPORT, str(path), _size(path))
            if not self._is_dry_run:
                export.clear_leftover(path, target)

    def _folders(self, kind: Kind, paths: Sequence[Path]) -> None:
        for path in paths:
            self._found.add(kind, str(path), _size(path))
            if not self._is_dry_run:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _locks(self) -> None:
        """Only while no `komadori up` can start: it would listen on a socket of the same name."""
        stale = files.stale_locks(self._look)
        if not stale or self._is_dry_run:
            self._note(Kind.STALE_LOCK, stale)
            return
        lock = FileLock(self._store.home / "run" / "up.lock")
        lock.path.parent.mkdir(exist_ok=True)
        if lock.try_acquire():
            still = files.stale_locks(self._look)
            self._note(Kind.STALE_LOCK, still)
            for path in {*still, lock.path}:
                path.unlink(missing_ok=True)
            lock.release()

    def _old(self, paths: Sequence[Path]) -> list[Path]:
        return [path for path in paths if self._look.is_old(path, "files")]

    def _note(self, kind: Kind, paths: Sequence[Path]) -> None:
        for path in paths:
            self._found.add(kind, str(path), _size(path))


def _check_home(look: Look) -> None:
    """Refuse a database that knows less than half of the stored frames: it may be that of another home."""
    n_files = n_unnamed = 0
    for batch in files.batches(look):
        if batch.place == "frames":
            with look.store.sessions.read() as session:
                n_unnamed += len(files.unnamed(session, batch))
            n_files += len(batch.names)
    if n_unnamed >= _SUSPICIOUS_FILES and n_unnamed > _SUSPICIOUS_SHARE * n_files:
        raise ConflictError(
            f"The database does not know {n_unnamed:,} of the {n_files:,} images in {look.store.blobs}.",
            hint="Check KOMADORI_DATABASE_URL and KOMADORI_HOME. When they are right: `komadori gc --force`.",
            code="another-database",
        )


def _is_being_written(session: Session, batch: Batch) -> bool:
    """Whether a chunk that runs may be about to name files of a batch."""
    running = audits.running_payloads(session)
    if batch.place in _WRITTEN_BY:
        return any(kind == _WRITTEN_BY[batch.place] for kind, _ in running)
    video_ids = [payload["video_id"] for kind, payload in running if kind == ingest.DECODE]
    return batch.sha256 in audits.sha256s(session, video_ids)


def _size(path: Path) -> int:
    """The bytes of a file, or of all in a folder; 0 when it is gone."""
    inside = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for each in inside:
        with suppress(OSError):
            total += each.lstat().st_size
    return total
