"""Offsets between found and true masks, on masks that were moved by a known way.

Found masks are made as a model makes them: averaged into the cells of a coarse grid to which the
whole frame is squeezed, disturbed, enlarged again, cut at one half. A cell is 16 x 8 pixels here.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Mask
from komadori.demo_world.offsets import Offset, Shift, mean_shift, offset, shift

FRAME_HW = (192, 320)
GRID_HW = (24, 20)
CELL_HW = (8, 16)
_Y, _X = np.mgrid[0 : FRAME_HW[0], 0 : FRAME_HW[1]] + 0.5


def blob(
    rng: np.random.Generator, centre: tuple[float, float], moved: tuple[float, float], grown: float = 0.0
) -> Mask:
    """A wavy ellipse whose centre (x, y) was moved by (dx, dy) and whose outline was widened, in pixels."""
    x, y = _X - centre[0] - moved[0], _Y - centre[1] - moved[1]
    angle = np.arctan2(y, x)
    radius = rng.uniform(30, 60) * (1 + sum(rng.uniform(-0.08, 0.08) * np.cos(k * angle) for k in (2, 3, 5)))
    inside: Mask = np.hypot(x, y) < radius + grown
    return inside


def as_a_model_draws(rng: np.random.Generator, mask: Mask, noise: float = 0.1) -> Mask:
    """The mask with the ragged outline of a coarse grid."""
    rows, columns = GRID_HW
    cells = mask.reshape(rows, CELL_HW[0], columns, CELL_HW[1]).mean((1, 3))
    cells = np.clip(cells * 1.2 - 0.1, 0, 1) + rng.normal(0, noise, GRID_HW)
    enlarged = zoom(cells, CELL_HW, order=1, mode="nearest", grid_mode=True)
    drawn: Mask = enlarged > 0.5
    return drawn


def pairs(
    n: int, moved: tuple[float, float], *, at_edge: bool = False, grown: float = 0.0, seed: int = 0
) -> list[Offset]:
    """Offsets of ``n`` ragged masks that were all moved alike."""
    found = []
    for i in range(n):
        centre = (4.0 if i % 2 else 316.0, 96.0) if at_edge else (150.0 + 5 * (i % 7), 90.0 + 3 * (i % 5))
        truth = blob(np.random.default_rng((seed, i)), centre, (0, 0))
        model = blob(np.random.default_rng((seed, i)), centre, moved, grown)
        ragged = as_a_model_draws(np.random.default_rng((seed, i, 1)), model)
        one = offset(masks.encode(truth), masks.encode(ragged))
        assert one is not None
        found.append(one)
    return found


@pytest.mark.parametrize("moved", [(0, 0), (1, 0), (0, -2), (5, 3), (-9, 4)])
def test_whole_pixels_are_found_exactly(moved: tuple[int, int]) -> None:
    truth = blob(np.random.default_rng(1), (150, 90), (0, 0))
    found = blob(np.random.default_rng(1), (150, 90), moved)

    one = offset(masks.encode(truth), masks.encode(found))

    assert one is not None
    assert (one.dx, one.dy, one.growth) == pytest.approx((*moved, 0.0), abs=0.02)


@pytest.mark.parametrize("at_edge", [False, True])
@pytest.mark.parametrize("moved", [(0.0, 0.0), (CELL_HW[1] / 2, 0.0), (0.0, CELL_HW[0] / 2), (-3.3, 1.7)])
def test_a_shift_of_ragged_masks_is_found_within_its_error(moved: tuple[float, float], at_edge: bool) -> None:
    """Half a cell stands out by many standard errors, also where the frame's edge halves the things."""
    mean = shift(pairs(40, moved, at_edge=at_edge))

    assert mean.n == 40
    assert mean.dx == pytest.approx(moved[0], abs=4 * mean.dx_se)
    assert mean.dy == pytest.approx(moved[1], abs=4 * mean.dy_se)
    assert 0.01 < mean.dx_se < 0.5
    assert 0.01 < mean.dy_se < 0.2
    is_half_a_cell_ruled_out = mean.is_within(CELL_HW[1] / 2, CELL_HW[0] / 2)
    assert is_half_a_cell_ruled_out == (moved in ((0.0, 0.0), (-3.3, 1.7)))


@pytest.mark.parametrize("at_edge", [False, True])
def test_an_outline_that_is_too_wide_is_no_shift(at_edge: bool) -> None:
    """At the right edge of the frame only the left side of a thing is seen to grow."""
    grown = pairs(20, (0, 0), at_edge=at_edge, grown=4.0)[1::2]

    mean = shift(grown)

    assert (mean.dx, mean.dy) == pytest.approx((0, 0), abs=1.0)
    assert np.median([one.growth for one in grown]) == pytest.approx(4.0, abs=1.0)


def test_a_part_that_is_missing_is_no_shift() -> None:
    """The centre of the mask moves by 3 pixels when a fifth is cut off; its outline stays."""
    truth = blob(np.random.default_rng(3), (160, 96), (0, 0))
    columns = np.flatnonzero(truth.any(0))
    found = truth.copy()
    found[:, columns[-len(columns) // 5] :] = False

    one = offset(masks.encode(truth), masks.encode(found))

    assert one is not None
    assert abs(np.nonzero(truth)[1].mean() - np.nonzero(found)[1].mean()) > 3
    assert (one.dx, one.dy) == pytest.approx((0, 0), abs=0.3)


@given(dx=st.floats(-8, 8), dy=st.floats(-4, 4), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_any_shift_is_found_and_its_mirror_is_its_opposite(dx: float, dy: float, seed: int) -> None:
    truth = masks.encode(blob(np.random.default_rng(seed), (160, 96), (0, 0)))
    found = masks.encode(blob(np.random.default_rng(seed), (160, 96), (dx, dy)))

    there, back = offset(truth, found), offset(found, truth)

    assert there is not None
    assert back is not None
    assert (there.dx, there.dy) == pytest.approx((dx, dy), abs=0.2)
    assert (back.dx, back.dy) == pytest.approx((-there.dx, -there.dy), abs=0.1)


@given(dx=st.floats(-8, 8), dy=st.floats(-4, 4))
@settings(max_examples=15, deadline=None)
def test_swapping_the_axes_swaps_the_offset(dx: float, dy: float) -> None:
    truth = blob(np.random.default_rng(5), (160, 96), (0, 0))
    found = blob(np.random.default_rng(5), (160, 96), (dx, dy))

    one = offset(masks.encode(truth), masks.encode(found))
    turned = offset(masks.encode(truth.T.copy()), masks.encode(found.T.copy()))

    assert one is not None
    assert turned is not None
    assert (turned.dx, turned.dy) == pytest.approx((one.dy, one.dx), abs=1e-3)


def test_an_outline_that_does_not_tell_has_no_offset() -> None:
    nothing = masks.encode(np.zeros(FRAME_HW, np.bool_))
    everything = masks.encode(np.ones(FRAME_HW, np.bool_))
    half = masks.encode(_X < 100)  # one straight edge: it tells nothing of up and down
    half_moved = masks.encode(_X < 104)
    dot = masks.encode((_X < 2) & (_Y < 2))
    disc = masks.encode(blob(np.random.default_rng(0), (150, 90), (0, 0)))

    for truth, found in (
        (nothing, disc),
        (disc, nothing),
        (everything, disc),
        (disc, everything),
        (half, half_moved),
        (dot, dot),
    ):
        assert offset(truth, found) is None


def test_masks_of_different_frames_are_refused() -> None:
    with pytest.raises(InputError, match="masks of one size"):
        offset(masks.encode(np.ones((3, 4), np.bool_)), masks.encode(np.ones((4, 3), np.bool_)))


def test_cells_are_those_of_the_squeezed_frame() -> None:
    """640 x 360 squeezed to a grid of 48 x 48: a cell is 13.3 x 7.5 pixels."""
    half = Offset(dx=640 / 96, dy=360 / 96, growth=0.0)

    assert half.in_cells((360, 640), (48, 48)) == pytest.approx((0.5, 0.5))


def test_the_mean_leaves_out_the_outermost_fifths() -> None:
    """Of 1 to 9 and 1000, two are left out at either end; 3, 4 ... 8 have the mean 5.5."""
    mean = mean_shift(np.array([(value, -value) for value in (1, 2, 3, 4, 5, 6, 7, 8, 9, 1000)], np.float64))

    drawn_in = [3, 3, 3, 4, 5, 6, 7, 8, 8, 8]
    expected_se = np.std(drawn_in, ddof=1) / (0.6 * math.sqrt(10))
    assert (mean.dx, mean.dy, mean.n) == (5.5, -5.5, 10)
    assert (mean.dx_se, mean.dy_se) == pytest.approx((expected_se, expected_se))


def test_the_error_is_how_much_the_mean_of_samples_varies() -> None:
    rng = np.random.default_rng(7)
    samples = [mean_shift(rng.normal(0, 2.0, (50, 2))) for _ in range(300)]

    assert np.mean([one.dx_se for one in samples]) == pytest.approx(
        np.std([one.dx for one in samples]), rel=0.15
    )


def test_few_instances_prove_nothing() -> None:
    assert math.isnan(shift([]).dx)
    assert math.isnan(shift([Offset(0, 0, 0)] * 2).dx_se)
    assert not shift([Offset(0, 0, 0)] * 2).is_within(1, 1)
    assert not shift([]).is_within(1, 1)


def test_a_mean_is_within_limits_only_with_its_errors() -> None:
    mean = Shift(dx=0.5, dy=-0.5, dx_se=0.1, dy_se=0.2, n=30)

    assert mean.is_within(0.85, 1.15)
    assert not mean.is_within(0.75, 1.15)
    assert not mean.is_within(0.85, 1.05)
    assert mean.is_within(0.65, 1.15, errors=1)
