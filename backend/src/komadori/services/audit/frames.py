"""Whether the frame ledger makes sense, and whether every frame has its pictures."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from komadori.core.disk import sha256_of
from komadori.db.repositories import audits
from komadori.services import ingest
from komadori.services.audit.findings import Finding, Kind
from komadori.services.audit.look import Look

_SHA256 = re.compile(r"[0-9a-f]{64}")
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def look_at_frames(look: Look) -> Iterator[Finding]:
    """Frames whose entry in the ledger is wrong, or whose pictures are not there."""
    before: Any = None
    root = f"{look.store.blobs}/"  # a Path for each file would take half of the time
    for frame in audits.ledger(look.store.sessions):
        look.seen["frames"] += 1
        subject = f"frame {frame.id}"
        for problem in _problems(frame, before):
            yield Finding(Kind.LEDGER, subject, problem)
        yield from _look_at_image(look, root, frame, subject)
        yield from _look_at_thumbnail(look, root, frame, subject)
        before = frame


def look_at_samplings(look: Look) -> Iterator[Finding]:
    """Samplings that chose a frame of another video, and videos whose frames nobody takes."""
    with look.store.sessions.read() as session:
        foreign = audits.frames_in_foreign_samplings(session)
        stuck = audits.stuck_videos(session, ingest.KIND)
    for row in foreign:
        detail = f"The sampling {row.sampling_id}, which is one of another video, has chosen it."
        yield Finding(Kind.SAMPLING, f"frame {row.frame_id}", detail)
    for row in stuck:
        yield Finding(Kind.STUCK_VIDEO, f"video {row.id}", f"It is {row.state}, but no job takes its frames.")


def _problems(frame: Any, before: Any) -> Iterator[str]:
    """What is wrong with an entry of the ledger; ``before`` is the one ahead of it."""
    if min(frame.width, frame.height, frame.time_base_num, frame.time_base_den) < 1:
        yield (
            f"Its size is {frame.width} x {frame.height}, "
            f"its time base {frame.time_base_num}/{frame.time_base_den}."
        )
    if frame.decode_index < 0:
        yield f"Its decode index is {frame.decode_index}."
    if not _SHA256.fullmatch(frame.image_sha256):
        yield f"The SHA-256 of its image is {frame.image_sha256!r}."
    folder = f"{frame.sha256[:2]}/{frame.sha256}/"
    if not (
        frame.image_key.startswith(f"frames/{folder}")
        and frame.thumbnail_key.startswith(f"thumbnails/{folder}")
    ):
        yield f"Its pictures {frame.image_key} and {frame.thumbnail_key} are not among those of its video."
    if before is not None and before[:2] == frame[:2]:
        if before.decode_index == frame.decode_index:
            yield f"Frame {before.id} has the same decode index {frame.decode_index}."
        elif before.pts > frame.pts:
            yield f"Its pts {frame.pts} comes before {before.pts}, that of the frame ahead of it."


def _look_at_image(look: Look, root: str, frame: Any, subject: str) -> Iterator[Finding]:
    path = root + frame.image_key
    size = _size_of(path)
    if size is None:
        yield Finding(Kind.IMAGE_MISSING, subject, f"There is no file {frame.image_key}.")
    elif size == 0:
        yield Finding(Kind.IMAGE_DAMAGED, subject, f"{frame.image_key} is empty.")
    elif look.is_deep and (sha256 := _read(path, sha256_of)) != frame.image_sha256:
        detail = f"{frame.image_key} has the SHA-256 {sha256}, the ledger says {frame.image_sha256}."
        yield Finding(Kind.IMAGE_DAMAGED, subject, detail)


def _look_at_thumbnail(look: Look, root: str, frame: Any, subject: str) -> Iterator[Finding]:
    path = root + frame.thumbnail_key
    size = _size_of(path)
    if size is None:
        yield Finding(Kind.THUMBNAIL_MISSING, subject, f"There is no file {frame.thumbnail_key}.")
    elif size == 0 or (look.is_deep and not _read(path, _is_jpeg)):
        yield Finding(Kind.THUMBNAIL_DAMAGED, subject, f"{frame.thumbnail_key} is no whole JPEG.")


def _size_of(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return None


def _read(path: str, read: Callable[[Path], str | bool]) -> str | bool | None:
    """What ``read`` makes of a file, None when it cannot be read."""
    try:
        return read(Path(path))
    except OSError:
        return None


def _is_jpeg(path: Path) -> bool:
    content = path.read_bytes()
    return content.startswith(_JPEG_START) and content.endswith(_JPEG_END)
