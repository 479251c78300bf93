"""Files that come in over HTTP in pieces, however often that is interrupted, until they are videos.

The database knows which uploads there are; how many bytes of one have come says its file, so nothing that
has come is ever written over or asked for twice. A whole file is a blob under the SHA-256 of its bytes, and
stays one while an upload, a video or an ingest names it.

Names are labels. Every path is made of an id or a hash that we have made.
"""

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from komadori.core import disk
from komadori.core.disk import free_bytes
from komadori.core.errors import ConflictError, InputError, NotFoundError, StorageError
from komadori.core.file_lock import FileLock
from komadori.db.repositories import uploads, videos
from komadori.db.repositories.statements import lock_bytes
from komadori.db.repositories.uploads import Upload
from komadori.services import names, source_file
from komadori.services.context import Context
from komadori.services.delete import remove_unused_source
from komadori.services.incoming import IncomingFile, folder_in

TOO_LARGE = "upload-too-large"
OFFSET_MISMATCH = "upload-offset"
BUSY = "upload-busy"
WRONG_BYTES = "upload-sha256"

_KEPT_FREE_BYTES = 2**30
"""What an upload leaves of the disk, for the frames that are taken from it."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Progress:
    """An upload, and how many of its bytes have come."""

    upload: Upload
    offset: int

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are here and are known to be right."""
        return self.upload.sha256 is not None


def create(ctx: Context, size_bytes: int, metadata: Mapping[str, str], tus_metadata: str) -> Progress:
    """Begin an upload; it is whole at once when the bytes that the client expects are here already.

    Args:
        ctx: The ports.
        size_bytes: Of the whole file.
        metadata: ``filename`` or ``name`` is its label, ``sha256`` what its bytes must be.
        tus_metadata: The same as it came.

    Raises:
        InputError: The file is empty or larger than the limit, or the SHA-256 is none.
        StorageError: It would not fit on the disk.
    """
    _check_size(ctx, size_bytes)
    expected = metadata.get("sha256", "").lower() or None
    if expected is not None and not _SHA256.fullmatch(expected):
        raise InputError(
            f"Expected the sha256 of the file as 64 hexadecimal digits, got {expected[:80]!r}.",
            hint="Leave it out, or give the whole hash.",
            code="bad-sha256",
        )
    now_s = time.time()
    with ctx.sessions.write() as session:
        is_here = expected is not None and _has_blob(ctx, session, expected, size_bytes)
        if not is_here:
            _check_room(ctx, session, size_bytes)
        upload = Upload(
            id=secrets.token_hex(16),
            name=_label(metadata.get("filename") or metadata.get("name") or ""),
            size_bytes=size_bytes,
            tus_metadata=tus_metadata,
            expected_sha256=expected,
            sha256=expected if is_here else None,
            created_s=now_s,
            expires_s=now_s + ctx.options.upload_expires_s,
        )
        uploads.add(session, upload)
    return Progress(upload, size_bytes if is_here else 0)


def get(ctx: Context, upload_id: str) -> Progress:
    """An upload as it is now.

    Raises:
        NotFoundError: There is none, or no longer.
    """
    with ctx.sessions.read() as session:
        upload = uploads.get(session, upload_id)
    return progress_of(ctx, upload)


def progress_of(ctx: Context, upload: Upload) -> Progress:
    """How many bytes of an upload have come."""
    is_whole = upload.sha256 is not None
    return Progress(upload, upload.size_bytes if is_whole else incoming(ctx, upload.id).size_bytes())


def incoming(ctx: Context, upload_id: str) -> IncomingFile:
    """The file of an upload that is not whole."""
    return IncomingFile(folder_in(ctx.home), upload_id)


def check_piece(progress: Progress, offset: int, n_bytes: int | None) -> None:
    """Refuse a piece that does not begin where the upload ends, or is longer than the rest.

    Raises:
        ConflictError: The offset is another.
        InputError: There are too many bytes; none is known before they come when ``n_bytes`` is None.
    """
    if offset != progress.offset:
        raise ConflictError(
            f"The upload has {progress.offset} bytes, so the next one is not byte {offset}.",
            hint="Ask with HEAD for the Upload-Offset, and go on from there.",
            code=OFFSET_MISMATCH,
        )
    if n_bytes is not None and offset + n_bytes > progress.upload.size_bytes:
        raise too_long(progress.upload)


def too_long(upload: Upload) -> InputError:
    """The error for more bytes than were announced."""
    return InputError(
        f"More bytes came than the {upload.size_bytes} that were announced.",
        hint="Begin a new upload with the right Upload-Length.",
        code=TOO_LARGE,
    )


def keep_alive(ctx: Context, upload_id: str) -> float:
    """Let an upload that goes on live on: until when."""
    expires_s = time.time() + ctx.options.upload_expires_s
    with ctx.sessions.write() as session:
        uploads.extend(session, upload_id, expires_s)
    return expires_s


@contextmanager
def exclusive(ctx: Context, upload_id: str) -> Iterator[IncomingFile]:
    """The file of an upload, which nobody else changes meanwhile, in this process or another.

    Raises:
        NotFoundError: There is no such upload.
        ConflictError: Somebody else is at work on it.
    """
    get(ctx, upload_id)  # else whoever asks for what is not there would leave a lock's file behind
    folder = folder_in(ctx.home)
    with disk.storage_errors("make the folder of uploads"):
        folder.mkdir(exist_ok=True)
    file = IncomingFile(folder, upload_id)
    lock = FileLock(file.lock_path)
    if not lock.try_acquire():
        raise ConflictError(
            "Another request is at work on this upload.",
            hint="Wait a moment, ask with HEAD for the Upload-Offset, and go on from there.",
            code=BUSY,
        )
    try:
        yield file
    finally:
        lock.release()


def finish(ctx: Context, upload_id: str, file: IncomingFile, sha256: str | None = None) -> Progress:
    """Make sure what the bytes of a file are that have all come, and make it a blob; nothing until then.

    A kill at any point costs nothing: the same call goes on from there.

    Args:
        ctx: The ports.
        upload_id: The upload.
        file: Its file, held by :func:`exclusive`.
        sha256: Of all its bytes, when that was computed as they came; else they are read again.

    Raises:
        InputError: They are not those expected; they are removed.
    """
    found = get(ctx, upload_id)
    if not found.is_whole and found.offset < found.upload.size_bytes:
        return found
    if not found.is_whole:
        found = _recognise(ctx, found, file, sha256 or file.sha256())
    assert found.upload.sha256 is not None
    if file.size_bytes():
        _place(ctx, found.upload.sha256, file)
    return found


def source_of(ctx: Context, upload_id: str) -> tuple[str, str]:
    """The source URI of a whole upload, and the name of its video.

    Raises:
        NotFoundError: There is no such upload.
        ConflictError: It is not whole, or its bytes are gone.
    """
    with exclusive(ctx, upload_id) as file:
        found = finish(ctx, upload_id, file)
    sha256 = found.upload.sha256
    if sha256 is None:
        raise ConflictError(
            f"{found.offset} of the {found.upload.size_bytes} bytes of this upload have come.",
            hint="Send the rest first.",
            code="upload-not-whole",
        )
    if ctx.blobs.exists(source_file.stored_key(sha256)):
        return source_file.stored_uri(sha256), found.upload.name
    twin = _twin(ctx, sha256)
    if twin is None:
        terminate(ctx, upload_id)
        raise ConflictError(
            "The bytes of this upload were not kept, as the file of a video had the same; it is gone since.",
            hint="Upload the file again.",
            code="upload-gone",
        )
    return str(twin), found.upload.name


def terminate(ctx: Context, upload_id: str) -> None:
    """Forget an upload and what has come of it; a video that was made of it keeps its file.

    Raises:
        NotFoundError: There is no such upload.
        ConflictError: Somebody is at work on it.
    """
    upload = get(ctx, upload_id).upload
    with exclusive(ctx, upload_id) as file:
        file.remove()
        with ctx.sessions.write() as session:
            uploads.remove(session, upload_id)
            if upload.sha256 is not None:
                lock_bytes(session, upload.sha256)
                remove_unused_source(ctx, session, upload.sha256)
        file.lock_path.unlink(missing_ok=True)


def expire(ctx: Context) -> int:
    """Terminate the uploads whose time is over: how many."""
    with ctx.sessions.read() as session:
        over = uploads.expired(session)
    n_removed = 0
    for upload in over:
        try:
            terminate(ctx, upload.id)
            n_removed += 1
        except (NotFoundError, ConflictError):
            continue  # it goes on at this moment, or somebody was faster
    return n_removed


def _recognise(ctx: Context, found: Progress, file: IncomingFile, sha256: str) -> Progress:
    upload = found.upload
    if upload.expected_sha256 not in (None, sha256):
        file.remove()
        with ctx.sessions.write() as session:
            uploads.remove(session, upload.id)
        raise InputError(
            f"The bytes that came have the SHA-256 {sha256}, not {upload.expected_sha256} as was announced.",
            hint="See that nobody writes to the file, and upload it again; nothing else was changed.",
            code=WRONG_BYTES,
        )
    with ctx.sessions.write() as session:
        uploads.set_whole(session, upload.id, sha256, time.time() + ctx.options.upload_expires_s)
        return Progress(uploads.get(session, upload.id), upload.size_bytes)


def _place(ctx: Context, sha256: str, file: IncomingFile) -> None:
    """Move a whole file to its place, unless there is another copy of its bytes."""
    twin = _twin(ctx, sha256)
    key = source_file.stored_key(sha256)
    with ctx.sessions.write() as session:
        lock_bytes(session, sha256)
        if twin is None and not ctx.blobs.exists(key):
            ctx.blobs.adopt(key, file.path)
    file.remove()


def _twin(ctx: Context, sha256: str) -> Path | None:
    """A person's own file of which a video was made, if it still has these bytes."""
    with ctx.sessions.read() as session:
        known = videos.of_bytes(session, sha256)
    for video in known:
        path = Path(video.source_uri)
        try:
            is_same = (
                not source_file.is_stored(video.source_uri)
                and path.stat().st_size == video.size_bytes
                and disk.sha256_of(path) == sha256
            )
        except OSError:
            continue
        if is_same:
            return path
    return None


def _has_blob(ctx: Context, session: Session, sha256: str, size_bytes: int) -> bool:
    lock_bytes(session, sha256)
    key = source_file.stored_key(sha256)
    return ctx.blobs.exists(key) and ctx.blobs.local_path(key).stat().st_size == size_bytes


def _check_size(ctx: Context, size_bytes: int) -> None:
    if size_bytes == 0:
        raise InputError("The file is empty.", hint="Upload a video.", code="empty-upload")
    if size_bytes > ctx.options.upload_max_bytes:
        raise InputError(
            f"The file has {size_bytes} bytes, more than the {ctx.options.upload_max_bytes} that are taken.",
            hint="Raise KOMADORI_UPLOAD_MAX_GB of the API, or add the file by its path on that machine.",
            code=TOO_LARGE,
        )


def _check_room(ctx: Context, session: Session, size_bytes: int) -> None:
    """Count what other uploads were promised, too."""
    promised = sum(
        upload.size_bytes - incoming(ctx, upload.id).size_bytes() for upload in uploads.unfinished(session)
    )
    free = free_bytes(ctx.home) - promised - _KEPT_FREE_BYTES
    if size_bytes > free:
        raise StorageError(
            f"The file has {size_bytes} bytes. Besides what other uploads need, the disk of {ctx.home} has "
            f"room for {max(0, free)}.",
            hint="Free some space there, then try again.",
            code="disk-full",
        )


def _label(name: str) -> str:
    """A name for people, of one line: the last part of what may be a path."""
    words = " ".join(re.split(r"[/\\]", name)[-1].split())
    shown = "".join(letter for letter in words if letter.isprintable())[: names.MAX_LENGTH]
    return shown or "upload"
