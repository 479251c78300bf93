"""Masks as polygons and back, for masks of any shape with holes, parts and corners that touch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_masks
from scipy import ndimage

from komadori.core import masks, polygons
from komadori.core.masks import Mask, Rle
from komadori.core.polygons import Points

# The compiled part of pycocotools has an __array__ without the arguments of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

sizes = array_shapes(min_dims=2, max_dims=2, max_side=14)
noise = sizes.flatmap(lambda size: arrays(np.bool_, size))
"""Nearly every way in which pixels can lie beside each other."""

EIGHT = np.ones((3, 3), np.bool_)


@st.composite
def blobs(draw: st.DrawFn) -> Mask:
    """A few ellipses in a picture, some of them cut out."""
    height, width = draw(st.integers(8, 90)), draw(st.integers(8, 90))
    ys, xs = np.mgrid[:height, :width]
    mask = np.zeros((height, width), np.bool_)
    for _ in range(draw(st.integers(1, 4))):
        x, y = draw(st.floats(0, width)), draw(st.floats(0, height))
        rx, ry = draw(st.floats(1, width)), draw(st.floats(1, height))
        mask[((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2 < 1] = draw(st.booleans())
    return mask


def rings(rle: Rle) -> list[Points]:
    parts, holes = polygons.outline(rle)
    return [*parts, *holes]


def area(ring: Points) -> float:
    """Positive when the ring runs clockwise on the screen."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@given(noise)
def test_an_outline_has_a_ring_for_each_part_and_for_each_hole(mask: Mask) -> None:
    parts, holes = polygons.outline(masks.encode(mask))

    _, n_parts = ndimage.label(mask, EIGHT)
    _, n_grounds = ndimage.label(np.pad(~mask, 1, constant_values=True))
    assert (len(parts), len(holes)) == (n_parts, n_grounds - 1)
    assert all(area(part) > 0 for part in parts)
    assert all(area(hole) < 0 for hole in holes)
    assert sum(map(area, [*parts, *holes])) == mask.sum()


@given(noise.filter(np.any))
def test_an_outline_gives_the_very_mask_again(mask: Mask) -> None:
    rle = masks.encode(mask)

    assert polygons.rasterise(rings(rle), rle.size_hw) == rle


@given(noise.filter(np.any))
def test_bridges_cover_nothing(mask: Mask) -> None:
    rle = masks.encode(mask)

    joined = polygons.join(rings(rle))

    assert polygons.rasterise([joined], rle.size_hw) == rle
    assert len(joined) == sum(map(len, rings(rle))) + 2 * (len(rings(rle)) - 1)
    assert area(joined) == pytest.approx(mask.sum())


@given(noise.filter(np.any))
def test_pycocotools_draws_the_same_pixels(mask: Mask) -> None:
    rle = masks.encode(mask)
    height, width = rle.size_hw

    (drawn,) = coco_masks.frPyObjects([polygons.join(rings(rle)).ravel().tolist()], height, width)

    np.testing.assert_array_equal(coco_masks.decode(drawn), mask)


@given(blobs().filter(np.any), st.floats(0.1, 5))
def test_a_simpler_ring_keeps_near_the_corners_and_never_vanishes(mask: Mask, tolerance_px: float) -> None:
    for ring in rings(masks.encode(mask)):
        simple = polygons.simplified(ring, tolerance_px)

        assert 3 <= len(simple) <= len(ring)
        assert {tuple(corner) for corner in simple} <= {tuple(corner) for corner in ring}
        assert max(_distance(corner, simple) for corner in ring) <= tolerance_px + 1e-9


def _distance(corner: Points, ring: Points) -> float:
    """From a place to the nearest line that a side of the ring lies on, or to its ends."""
    starts, stops = ring, np.roll(ring, -1, axis=0)
    sides = stops - starts
    along = ((corner - starts) * sides).sum(axis=1) / (sides**2).sum(axis=1)
    feet = starts + along[:, None] * sides
    return float(np.hypot(*(feet - corner).T).min())


@given(st.lists(st.tuples(st.floats(-5, 20), st.floats(-5, 20)), min_size=3, max_size=8))
def test_any_polygon_is_rasterised_by_the_centres_of_pixels(corners: list[tuple[float, float]]) -> None:
    ring = np.array(corners)

    drawn = masks.decode(polygons.rasterise([ring], (12, 14)))

    for y, x in np.ndindex(12, 14):
        assert drawn[y, x] == _is_inside(x + 0.5, y + 0.5, corners), (x, y)


def _is_inside(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """Whether a ray upwards crosses the polygon an odd number of times."""
    is_inside = False
    for start, stop in zip(corners, corners[1:] + corners[:1], strict=True):
        (x0, y0), (x1, y1) = sorted((start, stop))
        if x0 <= x < x1 and y0 + (x - x0) * (y1 - y0) / (x1 - x0) <= y:
            is_inside = not is_inside
    return is_inside


@given(noise)
def test_a_crop_holds_the_whole_mask(mask: Mask) -> None:
    pixels, (left, top) = masks.crop(masks.encode(mask))

    whole = np.zeros_like(mask)
    whole[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    np.testing.assert_array_equal(whole, mask)
