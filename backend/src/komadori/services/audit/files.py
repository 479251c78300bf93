"""Files that no row names, and what processes that were killed have left."""

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy.orm import Session

from komadori.db.repositories import audits, deletions
from komadori.services import export, incoming
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look
from komadori.services.source_file import stored_uri

_AT_ONCE = 500
_SHA256 = "[0-9a-f]{64}"
_FRAME = re.compile(r"\d+_(\d+)_-?\d+(_[0-9a-f]{16})?\.jpg")
_BY_VIDEO = ("frames", "thumbnails")
_NAMES = {
    "indexes": re.compile(rf"({_SHA256})\.idx"),
    "proxies": re.compile(rf"({_SHA256})\.(?:mp4|\d+\.part)"),
    "queries": re.compile(rf"({_SHA256})\.(?:png|img)"),
    "sources": re.compile(_SHA256),
}
_SCRATCH = ".scratch"
_ANSWER_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Some files of one folder of the blob store; ``sha256`` is that of the video where they are frames."""

    place: str
    sha256: str
    folder: Path
    names: list[str]


def look_at_blobs(look: Look) -> Iterator[Finding]:
    """Files that no row names, and such as Komadori does not write."""
    for batch in batches(look):
        look.seen["files"] += len(batch.names)
        with look.store.sessions.read() as session:
            found = unnamed(session, batch)
        for path in found:
            if look.is_old(path, "files"):
                yield Finding(Kind.ORPHAN_FILE, look.name(path), "No row names it.")
    for path in _unknown(look.store.blobs):
        yield Finding(Kind.UNKNOWN_FILE, look.name(path), "It is none of Komadori's.")


def look_at_leftovers(look: Look) -> Iterator[Finding]:
    """What processes that were killed have left: scratch, exports, downloads, locks."""
    for path in stale_scratch(look):
        yield Finding(Kind.STALE_SCRATCH, look.name(path), "What was being written there was never ended.")
    for path in stale_exports(look):
        yield Finding(Kind.STALE_EXPORT, str(path), "The export that wrote it was never ended.")
    for path in stale_downloads(look):
        yield Finding(Kind.STALE_DOWNLOAD, str(path), "The model was never fetched to its end.")
    for path in stale_uploads(look):
        yield Finding(Kind.STALE_UPLOAD, look.name(path), "There is no upload of this id.")
    for path in stale_locks(look):
        yield Finding(Kind.STALE_LOCK, str(path), "The process that made it is gone.")


def batches(look: Look) -> Iterator[Batch]:
    """The files of the blob store that may have a row, a few hundred at a time."""
    for place in _BY_VIDEO:
        for folder in _folders(look.store.blobs / place):
            for video in _folders(folder):
                yield from _split(place, video.name, video, _FRAME)
    for place, pattern in _NAMES.items():
        for folder in _folders(look.store.blobs / place):
            yield from _split(place, "", folder, pattern)


def unnamed(session: Session, batch: Batch) -> list[Path]:
    """Those of the files that no row names."""
    if batch.place in _BY_VIDEO:
        indices = [int(found[1]) for name in batch.names if (found := _FRAME.fullmatch(name))]
        known = audits.frame_files(session, batch.sha256, indices)
        prefix = f"{batch.place}/{batch.sha256[:2]}/{batch.sha256}"
        left = [name for name in batch.names if f"{prefix}/{name}" not in known]
    else:
        of_videos = dict.fromkeys(("indexes", "proxies"), audits.known_videos)
        ask = {**of_videos, "queries": audits.known_pictures}
        by_name = {name: name.partition(".")[0] for name in batch.names}
        known = ask.get(batch.place, _known_sources)(session, list(by_name.values()))
        left = [name for name, sha256 in by_name.items() if sha256 not in known]
    return [batch.folder / name for name in left]


def stale_scratch(look: Look) -> list[Path]:
    """What lies in the scratch of the blob store, and has not changed for long."""
    return [path for path in _entries(look.store.blobs / _SCRATCH) if look.is_left(path, "scratch")]


def stale_exports(look: Look) -> dict[Path, Path]:
    """What exports that do not run have left beside their targets, each with its target."""
    with look.store.sessions.read() as session:
        targets = list(audits.export_targets(session, export.KIND))
    return {
        path: Path(directory)
        for job_id, directory, is_running in targets
        for path in ([] if is_running else export.leftovers(Path(directory), job_id))
        if look.is_left(path, "exports")
    }


def stale_downloads(look: Look) -> list[Path]:
    """Downloads of models that nobody has gone on with for long."""
    found = look.store.models.glob("*--*/.*.partial") if look.store.models.is_dir() else ()
    return [path for path in sorted(found) if look.is_left(path, "downloads")]


def stale_uploads(look: Look) -> list[Path]:
    """Files of uploads that there are no longer."""
    found = {path: path.name.partition(".")[0] for path in _entries(incoming.folder_in(look.store.home))}
    with look.store.sessions.read() as session:
        known = audits.known_uploads(session, list(set(found.values())))
    orphans = [path for path, upload_id in found.items() if upload_id not in known]
    return [path for path in orphans if look.is_old(path, "uploads")]


def stale_locks(look: Look) -> list[Path]:
    """The lock of a `komadori up` that is gone, and a broker's socket that nobody listens on."""
    lock, broker = look.store.home / "run" / "up.lock", look.store.broker_socket
    found = [lock] if lock.is_file() and not _is_held(lock) else []
    return [*found, broker] if broker.is_socket() and not _listens(broker) else found


def _known_sources(session: Session, sha256s: Sequence[str]) -> set[str]:
    known = audits.known_sources(session, sha256s)
    others = set(sha256s) - known
    return known | {sha256 for sha256 in others if deletions.has_live_ingest(session, stored_uri(sha256))}


def _split(place: str, sha256: str, folder: Path, pattern: re.Pattern[str]) -> Iterator[Batch]:
    names = (entry.name for entry in _scanned(folder) if pattern.fullmatch(entry.name))
    while found := list(islice(names, _AT_ONCE)):
        yield Batch(place, sha256, folder, found)


def _unknown(blobs: Path) -> Iterator[Path]:
    """What has none of the names that the blob store gives, as far down as needed to say so."""
    for top in _entries(blobs):
        if top.name in _BY_VIDEO:
            yield from _strangers(top, r"[0-9a-f]{2}", _SHA256, _FRAME.pattern)
        elif top.name in _NAMES:
            yield from _strangers(top, r"[0-9a-f]{2}", _NAMES[top.name].pattern)
        elif top.name != _SCRATCH:
            yield top


def _strangers(folder: Path, *patterns: str) -> Iterator[Path]:
    """What is in a folder and matches none of the patterns, one for each level."""
    first, *rest = patterns
    if not folder.is_dir():
        yield folder
        return
    for entry in _scanned(folder):
        if not re.fullmatch(first, entry.name):
            yield Path(entry.path)
        elif rest:
            yield from _strangers(Path(entry.path), *rest)


def _scanned(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing when it has just been removed."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from entries


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _is_held(lock: Path) -> bool:
    """Whether the process lives that a lock file names; one that names none yet is being made."""
    try:
        os.kill(int(json.loads(lock.read_text("utf-8"))["pid"]), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWER_WITHIN_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
