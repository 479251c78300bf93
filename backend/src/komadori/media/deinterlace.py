"""Makes whole pictures from interlaced ones, which hold two moments in alternate lines."""

from collections import deque
from collections.abc import Iterator, Set
from fractions import Fraction

import av
from av.error import EOFError as EndOfStream
from av.filter import Graph
from av.video.frame import VideoFrame

_ANY_TIME_BASE = Fraction(1, 90000)  # pictures from a drained decoder have none, and the filter needs one

Shown = tuple[int, VideoFrame]
"""A decode index and its picture."""


class Deinterlacer:
    """Holds the last three pictures and deinterlaces the middle one when it is wanted.

    The filter (bwdif) looks at the pictures just before and after, and at nothing else, so
    the result is the same as in a pass over the whole video. Pictures flagged as progressive
    pass unchanged.
    """

    def __init__(self, wanted: Set[int]) -> None:
        self._wanted = wanted
        self._held: deque[Shown] = deque(maxlen=3)

    def push(self, index: int, frame: VideoFrame) -> Iterator[Shown]:
        """Take the next picture in presentation order; yield the one before it if it is wanted."""
        if self._held and index != self._held[-1][0] + 1:
            yield from self.flush()
        self._held.append((index, frame))
        if len(self._held) >= 2:
            yield from self._finish(-2)

    def flush(self) -> Iterator[Shown]:
        """Yield the last picture if it is wanted, although its successor is unknown."""
        if self._held:
            yield from self._finish(-1)
        self._held.clear()

    def _finish(self, position: int) -> Iterator[Shown]:
        held = list(self._held)
        index, frame = held[position]
        if index not in self._wanted:
            return
        if not frame.interlaced_frame:
            yield index, frame
            return
        around = [f for i, f in held if abs(i - index) <= 1]
        yield index, _deinterlace(around, frame)


def deinterlace_alone(frame: VideoFrame) -> VideoFrame:
    """Deinterlace a picture whose neighbours are not known, from its own lines only."""
    return _deinterlace([frame], frame)


def _deinterlace(around: list[VideoFrame], middle: VideoFrame) -> VideoFrame:
    """The filter's picture for ``middle``, one of the pictures ``around`` it."""
    graph = Graph()
    source = graph.add_buffer(
        width=middle.width, height=middle.height, format=middle.format, time_base=_ANY_TIME_BASE
    )
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    graph.link_nodes(source, bwdif, sink).configure()
    for frame in around:
        source.push(frame)
    source.push(None)
    pictures = list(_pull_all(graph))
    # One comes out for each that went in, in the same order.
    return pictures[around.index(middle)] if len(pictures) == len(around) else middle


def _pull_all(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (EndOfStream, av.BlockingIOError):
            return
