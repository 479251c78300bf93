"""A proxy: a smaller or re-wrapped copy of a video that browsers play, frame for frame the same.

Frame i of a proxy is the frame with decode index i, and its time is known from the packet index of the source
without a look at the proxy: the first frame is shown at 0, the others as long after it as in the source.
"""

import numpy as np
from numpy.typing import NDArray

from komadori.media.packet_index import PacketIndex

_FINEST = 1_000_000
"""Ticks a second; a finer time base does not fit into the times of an MP4 file."""


def proxy_timescale(index: PacketIndex) -> int:
    """How many ticks a second the times of a proxy have: those of the source if that is possible."""
    denominator = index.time_base.denominator
    return min(denominator, _FINEST)


def proxy_ticks(index: PacketIndex) -> NDArray[np.int64]:
    """(F,) strictly growing presentation times of the frames of a proxy, the first 0, by decode index.

    Times that do not grow, as where recordings were joined end to end, go on with the usual step.
    """
    pts = index.pts[index.rows_in_presentation_order()]
    since_first = pts - pts[:1]
    if index.time_base.denominator <= _FINEST:
        ticks = since_first * index.time_base.numerator
    else:
        ticks = np.rint(since_first * (float(index.time_base) * _FINEST)).astype(np.int64)
    steps = np.diff(ticks)
    forward = steps[steps > 0]
    usual = max(1, int(np.median(forward))) if len(forward) else max(1, proxy_timescale(index) // 25)
    grown = np.cumsum(np.where(steps > 0, steps, usual))
    return np.concatenate([[0], grown]).astype(np.int64)[: len(pts)]


def proxy_times_s(index: PacketIndex) -> NDArray[np.float64]:
    """(F,) seconds: the media time of each frame of a proxy, to the microsecond, by decode index."""
    ticks = proxy_ticks(index).astype(np.float64)
    return np.rint(ticks * (_FINEST / proxy_timescale(index))) / _FINEST
