"""A proxy: a smaller or re-wrapped copy of a video that browsers play, frame for frame the same.

Frame i of a proxy is the frame with decode index i, and its time is known from the packet index of the source
without a look at the proxy: the first frame is shown at 0, the others as long after it as in the source.

A proxy is copied packet by packet where browsers play the codec. Else it is encoded part by part, so that
hours of video are made in slices and go on where they stopped, and the parts are joined.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import JsonDict
from komadori.media.base import MediaLimits, VideoFacts, format_fraction
from komadori.media.packet_index import DISCARD, KEY, PacketIndex
from komadori.media.playable import PIXEL_FORMATS
from komadori.media.probe import check_is_file
from komadori.media.sandbox import run_child
from komadori.media.segments import is_interlaced

MISMATCH = "proxy-mismatch"
"""The code of the error for a proxy that has not the frames of its source."""

_COARSEST, _FINEST = 10_000, 1_000_000
"""Parts of a second: browsers seek past frames by coarser ones, finer ones do not fit into an MP4 file."""

_FRAME_S = Fraction(1, 25)
"""How long a frame is shown of which nothing is known."""

_SHORT_SIDE, _LONG_SIDE = 540, 1920
_PART_COST_S = 30.0
_DECODE_COST_S, _ENCODE_COST_S = 0.008, 0.008  # of a frame of 1920 x 1080, and of one of the proxy
_REFERENCE_PIXELS = 1920 * 1080
_COPIED_CODECS = ("h264", "vp9", "libdav1d", "av1")
_LIMITS = MediaLimits(wall_s=3600, cpu_s=3600, max_file_bytes=4 * 1024**3)
_CHILD = "komadori.media.proxy_child"


@dataclass(frozen=True, slots=True)
class Part:
    """The frames from decode index ``first`` up to ``stop``, which one child encodes."""

    first: int
    stop: int


def proxy_time_base(index: PacketIndex) -> Fraction:
    """The time base of a proxy: a whole part of that of the source, if that is possible."""
    denominator = index.time_base.denominator
    return Fraction(1, min(_FINEST, denominator * max(1, -(-_COARSEST // denominator))))


def proxy_pts(index: PacketIndex) -> NDArray[np.int64]:
    """(F,) strictly growing presentation times of the frames of a proxy, the first 0, by decode index.

    Times that do not grow, as where recordings were joined end to end, go on with the usual step.
    """
    pts = index.pts[index.rows_in_presentation_order()]
    since_first = pts - pts[:1]
    factor = index.time_base / proxy_time_base(index)
    if factor.denominator == 1:
        steps = np.diff(since_first * factor.numerator)
    else:
        steps = np.diff(np.rint(since_first * float(factor)).astype(np.int64))
    forward = steps[steps > 0]
    usual = int(np.median(forward)) if len(forward) else round(_FRAME_S / proxy_time_base(index))
    grown = np.cumsum(np.where(steps > 0, steps, usual))
    return np.concatenate([[0], grown]).astype(np.int64)[: len(pts)]


def proxy_times_s(index: PacketIndex) -> NDArray[np.float64]:
    """(F,) seconds: the media time of each frame of a proxy, to the microsecond, by decode index."""
    microseconds = proxy_pts(index).astype(np.float64) * (_FINEST * float(proxy_time_base(index)))
    return np.rint(microseconds) / _FINEST


def proxy_size(facts: VideoFacts) -> tuple[int, int]:
    """Width and height of an encoded proxy: upright, even, at most 540 pixels on the shorter side."""
    width, height = facts.width, facts.height
    scale = min(1.0, _SHORT_SIDE / min(width, height), _LONG_SIDE / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def can_be_copied(facts: VideoFacts, index: PacketIndex) -> bool:
    """Whether the packets of a video make a proxy as they are, in an MP4 file."""
    details = facts.details
    is_plain = facts.rotation == 0 and not details["is_mirrored"] and not details["is_interlaced"]
    is_whole = not details["is_truncated"] and details["n_damaged_packets"] == 0
    has_clean_packets = (
        not index.is_ordinal and not np.any(index.flags & DISCARD) and bool(index.flags[0] & KEY)
    )
    return (
        facts.codec in _COPIED_CODECS
        and details["pixel_format"] in PIXEL_FORMATS
        and is_plain
        and is_whole
        and has_clean_packets
        and not index.is_ordinal
    )


def plan_parts(facts: VideoFacts, index: PacketIndex) -> list[Part]:
    """The parts of an encoded proxy: each begins with a keyframe of the source, for half a minute of work.

    Where only the count of the frames tells them apart, the whole is one part.
    """
    n_frames = index.n_frames
    if index.is_ordinal:
        return [Part(0, n_frames)]
    pixels = facts.width * facts.height
    cost_s = _DECODE_COST_S * pixels / _REFERENCE_PIXELS + _ENCODE_COST_S
    at_once = max(1, int(_PART_COST_S / cost_s))
    starts = [0]
    for key in sorted(index.decode_index[index.key_rows].tolist()):
        if key >= starts[-1] + at_once:
            starts.append(key)
    return [Part(first, stop) for first, stop in zip(starts, [*starts[1:], n_frames], strict=True)]


def encode_part(
    path: Path,
    facts: VideoFacts,
    index: PacketIndex,
    part: Part,
    out: Path,
    *,
    on_frames: Callable[[int], object] = lambda _: None,
    check_cancelled: Callable[[], object] = lambda: None,
) -> int:
    """Encode a part into the new file ``out`` in a child: how many frames it had to repeat.

    A frame that cannot be decoded shows the one before it, so that all others keep their place.

    Args:
        path: The video file.
        facts: What probing found.
        index: Of the whole video.
        part: One of :func:`plan_parts`.
        out: In a folder in which nothing else is.
        on_frames: Called now and then with how many frames more were written.
        check_cancelled: Called a few times a second in another thread; what it raises ends the child.

    Raises:
        MediaError: The file has changed, or went over a limit.
        StorageError: ``out`` cannot be written.
    """
    request = {
        "work": "encode",
        "path": str(path),
        "stream_index": facts.stream_index,
        "index": _packed(_window(index, part)),
        "first": part.first,
        "pts": proxy_pts(index)[part.first : part.stop].tolist(),
        "time_base": format_fraction(proxy_time_base(index)),
        "size": list(proxy_size(facts)),
        "rotation": facts.rotation,
        "is_mirrored": facts.details["is_mirrored"],
        "is_interlaced": is_interlaced(facts),
        "max_pixels": _LIMITS.max_pixels,
    }
    answer = _run(request, path, out, _LIMITS, on_frames, check_cancelled)
    return int(answer["n_repeated"])


def copy_video(
    path: Path,
    facts: VideoFacts,
    index: PacketIndex,
    out: Path,
    *,
    check_cancelled: Callable[[], object] = lambda: None,
) -> None:
    """Put the packets of a video into the new MP4 file ``out`` as they are.

    Raises:
        MediaError: The file has changed; or the copy has not its frames (``proxy-mismatch``).
        StorageError: ``out`` cannot be written.
    """
    request = {
        "work": "copy",
        "path": str(path),
        "stream_index": facts.stream_index,
        "index": _packed(index),
        "time_base": format_fraction(proxy_time_base(index)),
        "max_pixels": _LIMITS.max_pixels,
    }
    roomy = replace(_LIMITS, max_file_bytes=2 * path.stat().st_size + _LIMITS.max_file_bytes)
    _run(request, path, out, roomy, lambda _: None, check_cancelled)


def join_parts(
    parts: Sequence[Path],
    index: PacketIndex,
    out: Path,
    *,
    check_cancelled: Callable[[], object] = lambda: None,
) -> None:
    """Join encoded parts, which are all in one folder, to the new file ``out``.

    Raises:
        MediaError: The whole has not the frames of the index (``proxy-mismatch``).
        StorageError: ``out`` cannot be written.
    """
    request = {
        "work": "join",
        "paths": [str(part) for part in parts],
        "index": _packed(index),
        "time_base": format_fraction(proxy_time_base(index)),
        "max_pixels": _LIMITS.max_pixels,
    }
    roomy = replace(_LIMITS, max_file_bytes=2 * sum(part.stat().st_size for part in parts) + 1024**3)
    _run(request, parts[0].parent, out, roomy, lambda _: None, check_cancelled)


def _run(
    request: JsonDict,
    path: Path,
    out: Path,
    limits: MediaLimits,
    on_frames: Callable[[int], object],
    check_cancelled: Callable[[], object],
) -> JsonDict:
    if not path.is_dir():
        check_is_file(path)

    def receive(message: JsonDict) -> None:
        on_frames(int(message["n_frames"]))

    return run_child(
        _CHILD,
        {**request, "out": str(out)},
        path=path,
        limits=limits,
        on_message=receive,
        check_cancelled=check_cancelled,
        writable=out.parent,
    )


def _window(index: PacketIndex, part: Part) -> PacketIndex:
    """The packets that the frames of a part need: from a keyframe, the one before for leading pictures."""
    if index.is_ordinal:
        return index
    rows = index.rows_of(range(part.first, part.stop))
    keys = index.key_rows
    group = int(np.searchsorted(keys, rows.min(), side="right")) - 1
    has_leading = bool(np.any(index.pts[rows] < index.pts[keys[group]]))
    return index.window(int(keys[max(0, group - has_leading)]), int(rows.max()) + 1)


def _packed(index: PacketIndex) -> str:
    return base64.b64encode(index.to_bytes()).decode()
