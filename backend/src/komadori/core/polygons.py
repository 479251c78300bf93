"""Masks as polygons, for those formats that know nothing else, and polygons as masks again.

A polygon's corners lie on the corners of pixels, so that the outline of a mask is exact: a
pixel belongs to a polygon when its centre does, by the even-odd rule. An outline has a ring
for each part, clockwise on the screen, and one for each hole, the other way round. Pixels
that touch at a corner are one part.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.masks import Rle

Points = NDArray[np.float64]
"""(P, 2) float64: x and y of the corners of a polygon in pixels; the last is followed by the first."""

_Indices = NDArray[np.int64]


def outline(rle: Rle) -> tuple[list[Points], list[Points]]:
    """The rings of a mask's parts, and those of its holes, exactly; its cost grows with the mask's box.

    Each begins at the leftmost of its topmost corners.
    """
    pixels, (left, top) = masks.crop(rle)
    if not pixels.size:
        return [], []
    padded = np.pad(pixels, 1)
    northwest, northeast = padded[:-1, :-1], padded[:-1, 1:]
    southwest, southeast = padded[1:, :-1], padded[1:, 1:]
    # Where two rings touch, or one touches itself, two corners lie on the same place.
    is_touching = (northwest == southeast) & (northeast == southwest) & (northwest != northeast)
    is_turn = northwest ^ northeast ^ southwest ^ southeast
    places = np.flatnonzero(is_turn | is_touching)
    places = np.repeat(places, 1 + is_touching.ravel()[places])
    ys, xs = np.divmod(places, is_turn.shape[1])
    beside, above = _neighbours(xs, ys, (is_touching & southeast).ravel()[places])
    parts, holes = [], []
    is_part = southeast.ravel()[places]
    for ring in _cycles(beside.tolist(), above.tolist()):
        corners = np.column_stack((xs[ring] + left, ys[ring] + top)).astype(np.float64)
        if is_part[ring[0]]:
            parts.append(corners)
        else:
            holes.append(np.roll(corners[::-1], 1, axis=0))
    return parts, holes


def simplified(ring: Points, tolerance_px: float) -> Points:
    """A ring with fewer corners, none of which was farther from the new outline than the tolerance.

    By Douglas and Peucker, from the first corner and the one farthest from it. A ring never
    vanishes: for one that is too small or too thin, the tolerance is halved as often as needed.
    """
    farthest = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate((ring, ring[:1]))
    while True:
        is_kept = np.zeros(len(closed), np.bool_)
        is_kept[[0, farthest, -1]] = True
        _keep_far_corners(closed, is_kept, [(0, farthest), (farthest, len(ring))], tolerance_px)
        if is_kept.sum() > 3:
            return closed[:-1][is_kept[:-1]]
        tolerance_px /= 2


def join(rings: Sequence[Points]) -> Points:
    """One polygon of all rings, tied together by bridges without width that are walked twice.

    Each ring is tied to the nearest corner of those that are tied already. By the even-odd rule
    the two ways over a bridge cancel out, so the polygon covers what the rings cover. The time
    and memory it takes grow with the square of the number of corners.
    """
    points = np.concatenate(rings)
    ends = np.cumsum([len(ring) for ring in rings])
    spans = list(zip(ends - [len(ring) for ring in rings], ends, strict=True))
    corners = list(range(len(points)))
    following = [corner + 1 for corner in corners]
    for start, end in spans:
        following[end - 1] = int(start)
    for here, there in _bridges(points, spans):
        # ... here, there, once around its ring, there, here and on as before.
        corners += [there, here]
        following += [following[there], following[here]]
        following[here], following[there] = len(corners) - 2, len(corners) - 1
    walk = [0]
    while following[walk[-1]] != 0:
        walk.append(following[walk[-1]])
    joined: Points = points[np.array(corners)[walk]]
    return joined


def rasterise(rings: Sequence[Points], size_hw: tuple[int, int]) -> Rle:
    """The pixels whose centres lie inside of an odd number of rings, as far as the picture goes.

    It works on the outlines alone, column by column, as run lengths are.
    """
    height, width = size_hw
    starts = np.concatenate(rings)
    stops = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    # From left to right, so that both ways over the same line give the very same numbers.
    is_leftward = (stops[:, 0] < starts[:, 0])[:, None]
    starts, stops = np.where(is_leftward, stops, starts), np.where(is_leftward, starts, stops)
    first, behind = (
        np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64) for x in (starts[:, 0], stops[:, 0])
    )
    lengths = behind - first
    line = np.repeat(np.arange(len(starts)), lengths)
    columns = np.arange(len(line)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[line]
    (x0, y0), (x1, y1) = starts[line].T, stops[line].T
    crossings = y0 + (columns + 0.5 - x0) * (y1 - y0) / (x1 - x0)
    rows = np.clip(np.ceil(crossings - 0.5), 0, height).astype(np.int64)
    places, counts = np.unique(columns * height + rows, return_counts=True)
    runs = np.diff(places[counts % 2 == 1], prepend=0, append=height * width)
    if len(runs) > 1 and runs[-1] == 0:  # the polygon reaches the last pixel
        runs = runs[:-1]
    return Rle(size_hw, masks.encode_runs(runs))


def _neighbours(xs: _Indices, ys: _Indices, is_saddle: NDArray[np.bool_]) -> tuple[_Indices, _Indices]:
    """For each corner the one at the other end of its horizontal line, and that of its vertical line.

    In a row as in a column, lines begin and end in turn. Of two corners on one place the first
    has the line to the left. It gets the line below when the pixels in the northwest and in the
    southeast are those of the object (a saddle), and so they are connected; otherwise the one above.
    """
    n = len(xs)
    beside = np.arange(n) ^ 1
    rank = np.arange(n)
    rank[is_saddle] = np.flatnonzero(is_saddle).reshape(-1, 2)[:, ::-1].ravel()
    order = np.lexsort((rank, ys, xs))
    above = np.empty(n, np.int64)
    above[order[0::2]], above[order[1::2]] = order[1::2], order[0::2]
    return beside, above


def _cycles(beside: Sequence[int], above: Sequence[int]) -> list[list[int]]:
    """The corners of each ring, in their order, beginning with the first and along the horizontal line."""
    is_seen = bytearray(len(beside))
    rings = []
    for start in range(len(beside)):
        ring = []
        corner = start
        while not is_seen[corner]:
            other = beside[corner]
            is_seen[corner] = is_seen[other] = True
            ring += [corner, other]
            corner = above[other]
        if ring:
            rings.append(ring)
    return rings


def _keep_far_corners(
    closed: Points, is_kept: NDArray[np.bool_], spans: list[tuple[int, int]], tolerance_px: float
) -> None:
    """Mark in each span the corner that is farthest from its chord, and look on both sides of it."""
    while spans:
        start, end = spans.pop()
        if end - start < 2:
            continue
        chord = closed[end] - closed[start]
        offsets = closed[start + 1 : end] - closed[start]
        distances = np.abs(chord[0] * offsets[:, 1] - chord[1] * offsets[:, 0])
        farthest = int(np.argmax(distances))
        if distances[farthest] > tolerance_px * float(np.hypot(*chord)):
            middle = start + 1 + farthest
            is_kept[middle] = True
            spans += [(start, middle), (middle, end)]


def _bridges(points: Points, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """From which corner to which other one each ring but the first is tied, in an order that works."""
    ring_of = np.repeat(np.arange(len(spans)), [end - start for start, end in spans])
    distance = np.full(len(points), np.inf)
    nearest = np.zeros(len(points), np.int64)
    found = []
    newest = 0
    for _ in spans[1:]:
        start, end = spans[newest]
        distance[start:end] = np.inf
        ring_of[start:end] = -1
        loose = np.flatnonzero(ring_of >= 0)
        squares = ((points[loose, None] - points[None, start:end]) ** 2).sum(axis=2)
        closest = squares.argmin(axis=1)
        away = squares[np.arange(len(loose)), closest]
        is_nearer = away < distance[loose]
        distance[loose[is_nearer]] = away[is_nearer]
        nearest[loose[is_nearer]] = start + closest[is_nearer]
        there = int(np.argmin(distance))
        found.append((int(nearest[there]), there))
        newest = int(ring_of[there])
    return found
