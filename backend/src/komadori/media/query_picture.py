"""Makes a harmless picture of one that a user searches with, in a child process of its own.

What reads pictures is written in C as well, and a few bytes can ask for gigabytes. So neither the API nor
a worker with a model decodes what a stranger gave: they see the child's picture only.
"""

import tempfile
import threading
from pathlib import Path

from komadori.core.disk import storage_errors
from komadori.core.errors import MediaError
from komadori.media.base import MediaLimits
from komadori.media.sandbox import run_child

PICTURE_LIMITS = MediaLimits(
    wall_s=30, cpu_s=15, memory_bytes=1024**3, max_file_bytes=32 * 1024**2, max_open_files=32
)
"""A picture of 50 million pixels takes about two seconds and 500 MB."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Who comes later waits, so that many large pictures together do not take all memory."""


def harmless(picture: bytes, *, limits: MediaLimits = PICTURE_LIMITS) -> bytes:
    """A PNG of a user's picture: upright, RGB, at most 2048 pixels long; takes about 0.2 s.

    Raises:
        MediaError: It is no picture in a common format, too large, damaged, or went over a limit.
        StorageError: There is no room for it.
    """
    with _AT_ONCE, tempfile.TemporaryDirectory(prefix="komadori-picture-") as folder:
        given, made = Path(folder) / "given", Path(folder) / "made"
        with storage_errors("look at the picture"):
            given.write_bytes(picture)
            made.mkdir()
        try:
            run_child(
                "komadori.media.picture_child",
                {"path": str(given), "out": str(made / "picture.png"), "max_pixels": limits.max_pixels},
                path=given,
                limits=limits,
                on_message=lambda _: None,
                writable=made,
            )
        except MediaError as error:
            raise _in_other_words(error, limits) from error
        return (made / "picture.png").read_bytes()


def _in_other_words(error: MediaError, limits: MediaLimits) -> MediaError:
    """What the child died of, said of a picture; what it said itself stays."""
    causes = {
        "media-time-limit": f"takes longer than {limits.cpu_s} s to read",
        "media-memory-limit": f"needs more than {limits.memory_bytes // 1024**2} MiB to read",
        "decoder-crash": "crashed the program that reads it",
    }
    if error.code not in causes:
        return error
    return MediaError(
        f"Expected a picture that can be read, but this one {causes[error.code]}.",
        hint="Save it anew as a JPEG or PNG file.",
        code=error.code,
    )
