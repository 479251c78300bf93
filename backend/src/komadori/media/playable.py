"""Whether browsers play a video file as it is, and at which times they then show its frames.

What is said here was tried in Chromium with clips whose frames show their number. What other browsers may
see otherwise counts as not playable: a proxy is sure, see :mod:`~komadori.media.proxy`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.media.base import VideoFacts
from komadori.media.packet_index import PacketIndex

MP4, WEBM = "video/mp4", "video/webm"
_UNKNOWN = "application/octet-stream"

_CODECS = {MP4: ("h264", "vp9", "libdav1d", "av1"), WEBM: ("vp8", "vp9", "libdav1d", "av1")}
"""By the names of FFmpeg's decoders."""

PIXEL_FORMATS = ("yuv420p", "yuvj420p")
"""Eight bits, halved colour: what every browser decodes."""

_HEAD_BYTES = 64
_MICROSECONDS = 1_000_000


def mime_of(path: Path, facts: VideoFacts) -> str:
    """The media type of a file; a Matroska file is only WebM when it says so in its first bytes."""
    if facts.container.startswith("mov,mp4"):
        return MP4
    if facts.container.startswith("matroska"):
        with path.open("rb") as file:
            return WEBM if b"webm" in file.read(_HEAD_BYTES) else "video/x-matroska"
    return _UNKNOWN


def why_not_playable(mime: str, facts: VideoFacts, index: PacketIndex) -> str | None:
    """Why a browser may not play the file, or not show each frame at its time; None when it does."""
    details = facts.details
    if mime not in _CODECS:
        return f"Browsers do not play {facts.container.partition(',')[0]} files."
    if facts.codec not in _CODECS[mime]:
        return f"Browsers may not play {facts.codec} in this kind of file."
    if details["pixel_format"] not in PIXEL_FORMATS:
        return f"Browsers may not play pictures of the format {details['pixel_format']}."
    reasons = {
        "It is interlaced.": details["is_interlaced"],
        "It is mirrored, which not all browsers honour.": details["is_mirrored"],
        "It has several video streams.": details.get("n_video_streams", 1) > 1,
        "It is cut off.": details["is_truncated"],
        "Some of its data is damaged.": details["n_damaged_packets"] > 0,
        "It is in fragments, among which browsers do not find every frame.": (
            mime == MP4 and details["n_declared_frames"] == 0
        ),
        "Its times do not tell its frames apart.": index.is_ordinal,
        "It does not begin at its own time 0, so that browsers mistake its length.": facts.start_pts != 0,
        "Its times are so coarse that browsers seek past some frames.": _is_coarse(index),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), None)


def media_times_s(index: PacketIndex) -> NDArray[np.float64]:
    """(F,) seconds, by decode index: what ``requestVideoFrameCallback`` gives as ``mediaTime`` of each frame.

    It is the presentation time to the microsecond. An edit list is in the index.
    """
    pts = index.pts[index.rows_in_presentation_order()]
    time_base = index.time_base
    microseconds = pts.astype(np.float64) * (time_base.numerator * _MICROSECONDS) / time_base.denominator
    return np.rint(microseconds) / _MICROSECONDS


def _is_coarse(index: PacketIndex) -> bool:
    """Whether frames are one pts apart: a time between two is rounded, maybe to the next keyframe."""
    pts = index.pts[index.rows_in_presentation_order()]
    return len(pts) > 1 and int(np.diff(pts).min()) <= 1
