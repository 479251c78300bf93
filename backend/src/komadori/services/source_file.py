"""The files that videos are made of: found, recognised by their bytes, and never taken for one another.

People's own files stay where they are and are only read. An uploaded file is ours: it is a blob under the
SHA-256 of its bytes, so the same file is stored once, however often it is uploaded.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

from komadori.core import disk
from komadori.core.errors import InputError, MediaError, NotFoundError
from komadori.core.progress import Progress
from komadori.core.types import JsonDict, Video
from komadori.storage.base import BlobStore

_BLOB = "blob:"
"""How the source URI of an uploaded file begins; it holds wherever the home is moved to."""

_MODIFIED, _UNKNOWN_NS = "modified_ns", -1
"""Which of the facts of a video is the time of its file."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes whenever a file is written; cheap to look at, unlike its bytes."""

    size_bytes: int
    modified_ns: int

    def to_dict(self) -> JsonDict:
        """The stamp as JSON can hold it."""
        return {"size_bytes": self.size_bytes, "modified_ns": self.modified_ns}


def stored_key(sha256: str) -> str:
    """Where the bytes of an uploaded file are kept."""
    return f"sources/{sha256[:2]}/{sha256}"


def stored_uri(sha256: str) -> str:
    """The source URI of an uploaded file."""
    return _BLOB + stored_key(sha256)


def is_stored(uri: str) -> bool:
    """Whether a source is a file of ours, and not a person's."""
    return uri.startswith(_BLOB)


def locate(blobs: BlobStore, uri: str) -> Path:
    """The file of a source URI, which is the absolute path of a person's file, or names one of ours.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no ordinary file, or may not be looked at.
    """
    if is_stored(uri):
        return blobs.local_path(uri.removeprefix(_BLOB))
    return check_path(uri)


def check_path(path: str) -> Path:
    """The file, once it is sure that it is one.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no ordinary file, or may not be looked at.
    """
    file = Path(path)
    if "\0" in path or not file.is_absolute():
        raise InputError(
            f"{path!r} is no absolute path.", hint="Give the file's path from the root.", code="bad-path"
        )
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no file {file}.",
            hint="Check the path; the machine that runs Komadori must see it, else add it with --upload. In "
            "a container, the folder KOMADORI_MEDIA of the host is /media.",
            code="no-such-file",
        ) from error
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}.",
            hint="Check its permissions and those of its folders.",
            code="unreadable-file",
        ) from error
    _check_regular(file, mode)
    return file


def stamp(path: Path) -> Stamp:
    """The stamp of a file as it is now."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns)


def sha256_of(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file, which takes about a second for each GB; can be cancelled.

    Raises:
        InputError: It cannot be read.
        MediaError: It is being written to; what grows for ever would be read for ever.
    """
    before = stamp(path)

    def check() -> None:
        progress.check_cancelled()
        check_unchanged(path, before)

    try:
        return disk.sha256_of(path, check)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.",
            hint="Check the file's permissions and the disk it is on.",
            code="unreadable-file",
        ) from error


def check_unchanged(path: Path, before: Stamp) -> None:
    """Make sure that nobody has written to a file since its stamp was taken.

    Raises:
        MediaError: It was written to.
    """
    if stamp(path) != before:
        raise MediaError(
            f"{path} was written to while it was being read.",
            hint="Wait until the recording or the copy is finished, then add it again.",
            code="file-still-written",
        )


def source_of(blobs: BlobStore, video: Video, known: Stamp, progress: Progress) -> Path:
    """The file of a video, once it is sure that it still has the video's bytes.

    Args:
        blobs: Where uploaded files are.
        video: Its SHA-256 is compared, but only when the stamp has changed.
        known: The stamp of the file when it had these bytes.
        progress: Asked whether to stop.

    Raises:
        NotFoundError: The file is gone.
        MediaError: There are other bytes in its place.
    """
    path = locate(blobs, video.source_uri)
    if stamp(path) != known and sha256_of(path, progress) != video.sha256:
        raise MediaError(
            f"{path} is not the file any more that was added as video {video.id}.",
            hint="Put the original back and retry the job, or add the new file as a video of its own.",
            code="source-changed",
        )
    return path


def with_stamp(facts: JsonDict, found: Stamp) -> JsonDict:
    """The facts of a video with the stamp that its file had when they were found."""
    return {**facts, "details": {**facts["details"], _MODIFIED: found.modified_ns}}


def stamp_of(video: Video) -> Stamp:
    """The stamp that the file of a video had when it was probed last.

    Of a video that an older version has added only the size is known; its time is that of no file.
    """
    return Stamp(video.size_bytes, video.facts["details"].get(_MODIFIED, _UNKNOWN_NS))


def locate_unchanged(blobs: BlobStore, video: Video) -> Path:
    """The file of a video, if it looks as it did when it was probed; its bytes are not read.

    Raises:
        NotFoundError: The file is gone.
        InputError: It is no ordinary file, or may not be looked at.
        MediaError: It was written to since, or is another.
    """
    path = locate(blobs, video.source_uri)
    if is_stored(video.source_uri):
        return path
    known, found = stamp_of(video), stamp(path)
    if known.size_bytes != found.size_bytes or known.modified_ns not in (found.modified_ns, _UNKNOWN_NS):
        raise MediaError(
            f"{path} was written to since it was added as video {video.id}.",
            hint="Add it again: the same bytes are recognised, others become a video of their own.",
            code="source-changed",
        )
    return path


def _check_regular(file: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(
            f"{file} is a folder.",
            hint=f"Name the videos in it, such as {file}/*.mp4.",
            code="is-a-directory",
        )
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{file} is no ordinary file.",
            hint="Save the recording to a file and add that.",
            code="not-a-file",
        )
