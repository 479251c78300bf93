"""Finds out what a video file holds, without trusting it and without decoding it."""

import base64
import stat
from collections.abc import Callable
from pathlib import Path

from komadori.core.errors import MediaError
from komadori.media.base import MediaLimits, VideoFacts
from komadori.media.content import describe_content
from komadori.media.packet_index import PacketIndex
from komadori.media.sandbox import run_child

PROBE_LIMITS = MediaLimits(wall_s=300, cpu_s=240)


def probe_video(
    path: Path,
    *,
    limits: MediaLimits = PROBE_LIMITS,
    check_cancelled: Callable[[], object] = lambda: None,
) -> tuple[VideoFacts, PacketIndex]:
    """The facts of a video file and the index of its packets.

    Reads the whole file once; 6 hours of video cost about one second of processor time. What
    ``check_cancelled`` raises ends it.

    Raises:
        MediaError: The file is missing, not a regular file, no video, cut off, too large, or
            harmful; the message names it and says what it seems to be.
    """
    path = path.absolute()
    check_is_file(path)
    request = {"path": str(path), "max_pixels": limits.max_pixels, "max_packets": limits.max_packets}
    answer = run_child(
        "komadori.media.probe_child",
        request,
        path=path,
        limits=limits,
        on_message=lambda _: None,
        check_cancelled=check_cancelled,
    )
    index = PacketIndex.from_bytes(base64.b64decode(answer["index"]))
    return VideoFacts.from_dict(answer["facts"]), index


def check_is_file(path: Path) -> None:
    """Make sure that a path leads to a readable regular file with something in it.

    Raises:
        MediaError: It does not.
    """
    try:
        found = path.stat()
    except OSError as exc:
        raise MediaError(
            f"Expected a video file, but {path} cannot be found ({exc.strerror}).",
            hint="Check the path; relative paths start at the current folder.",
            code="missing-file",
        ) from exc
    if stat.S_ISDIR(found.st_mode):
        raise MediaError(
            f"Expected a video file, but {path} is a folder.",
            hint=f"Name the files in it, for example {path}/*.mp4.",
            code="is-a-folder",
        )
    if not stat.S_ISREG(found.st_mode):
        raise MediaError(
            f"Expected a video file, but {path} is a device, a pipe or a socket.",
            hint="Save the stream to a file first, then add the file.",
            code="not-a-regular-file",
        )
    if found.st_size == 0:
        empty = describe_content(b"")
        raise MediaError(
            f"Expected a video file, but {path} is {empty.what}.", hint=empty.hint, code="empty-file"
        )
    _check_readable(path)


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as exc:
        raise MediaError(
            f"Expected a readable video file, but {path} cannot be opened ({exc.strerror}).",
            hint="Give the user that runs the worker permission to read it.",
            code="unreadable-file",
        ) from exc
