"""A mask as one polygon with few corners, as near to it as was asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from komadori.core import masks, polygons
from komadori.core.masks import Rle
from komadori.core.polygons import Points

MOST_CORNERS = 1_000
"""Ultralytics brings every polygon to 1000 corners, or all of a picture to as many as the longest has."""

_LEAST_OF_A_RING = 5
"""A triangle, and the two corners of its bridge."""

_WANTED_IOU = 0.98
_TOLERANCES_PX = (2.0, 1.4, 1.0, 0.7, 0.0)
_LOOSER_PX = (2.8, 4.0, 5.6, 8.0, 11.0, 16.0)
"""Only for masks that would have too many corners otherwise."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A polygon, how near it comes to its mask, and of how many rings it was made.

    ``corners`` are as they are written, not in pixels; None when there would be too many of them.
    """

    corners: Points | None
    iou: float
    n_parts: int
    n_holes: int


def fit(mask: Rle, to_written: Callable[[Points], Points], to_pixels: Callable[[Points], Points]) -> Fit:
    """The polygon of a mask that covers a pixel.

    Of several tolerances it takes the loosest one that keeps an IoU of 0.98, or the nearest that
    stays within ``MOST_CORNERS``. What is measured is the polygon as it is written.

    Args:
        mask: The mask.
        to_written: From pixels to what is written.
        to_pixels: Back.
    """
    parts, holes = polygons.outline(mask)
    chosen = _chosen([*parts, *holes], mask, lambda ring: to_pixels(to_written(ring)))
    if chosen is None:
        return Fit(None, 0.0, len(parts), len(holes))
    written = to_written(polygons.join(chosen))
    iou = masks.iou(polygons.rasterise([to_pixels(written)], mask.size_hw), mask)
    return Fit(written, iou, len(parts), len(holes))


def _chosen(
    exact: Sequence[Points], mask: Rle, as_read: Callable[[Points], Points]
) -> Sequence[Points] | None:
    """The rings with fewer corners, or None when there are too many at every tolerance."""
    if _LEAST_OF_A_RING * len(exact) > MOST_CORNERS:
        return None
    chosen = None
    for tolerance_px in _TOLERANCES_PX:
        rings = _simplified(exact, tolerance_px)
        if _n_corners(rings) > MOST_CORNERS:
            break
        chosen = rings
        drawn = polygons.rasterise([as_read(ring) for ring in rings], mask.size_hw)
        if masks.iou(drawn, mask) >= _WANTED_IOU:
            break
    if chosen is not None:
        return chosen
    looser = (_simplified(exact, tolerance_px) for tolerance_px in _LOOSER_PX)
    return next((rings for rings in looser if _n_corners(rings) <= MOST_CORNERS), None)


def _simplified(rings: Sequence[Points], tolerance_px: float) -> Sequence[Points]:
    return [polygons.simplified(ring, tolerance_px) for ring in rings] if tolerance_px else rings


def _n_corners(rings: Sequence[Points]) -> int:
    """Those of the one polygon: each bridge has two more."""
    return sum(len(ring) for ring in rings) + 2 * (len(rings) - 1)
