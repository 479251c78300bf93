"""Whether found masks lie beside the things: shifts of a fraction of a pixel, and how sure they are.

A model that reads its pictures half a cell off still finds everything, with a good IoU; only the mean
offset over many instances shows the fault. One instance's offset comes from its outline: each point
of the found outline lies ``n . (dx, dy) - growth`` inside the true one, where ``n`` is the direction
inwards. All points together give the three unknowns by least squares, with outliers weighed down
(J. W. Tukey's biweight), so that neither a part that is missing nor an outline that is too wide all
around looks like a shift. Where the frame's edge cuts a thing off there is no outline, so nothing is
measured there.

The offset is positive where the found mask lies right of (x) or below (y) the true one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from komadori.core.errors import InputError
from komadori.core.masks import Mask, Rle, decode

_Floats = NDArray[np.float64]

_ROUNDS = 12
_SETTLED_PX = 0.005
_LEAST_POINTS = 16
_LEAST_SPREAD = 0.03
"""Of the directions of an outline, whose squares have the mean 0.5 in x and in y on a circle, and 0.1 across
the cut on half of one; a single straight edge has 0."""

_SMOOTHING_PX = 1.5
_LEAST_USUAL_PX = 0.5
_TRIMMED = 0.2


@dataclass(frozen=True, slots=True)
class Offset:
    """Where a found mask lies beside the true one.

    Attributes:
        dx: To the right, in pixels of the frame.
        dy: Down, in pixels of the frame.
        growth: By how much its outline lies outside the true one all around, in pixels.
    """

    dx: float
    dy: float
    growth: float

    def in_cells(self, frame_hw: tuple[int, int], grid_hw: tuple[int, int]) -> tuple[float, float]:
        """``dx`` and ``dy`` in cells of a model's grid, to which the whole frame was squeezed.

        Args:
            frame_hw: Height and width of the frame in pixels.
            grid_hw: Rows and columns of the grid.
        """
        return self.dx * grid_hw[1] / frame_hw[1], self.dy * grid_hw[0] / frame_hw[0]


@dataclass(frozen=True, slots=True)
class Shift:
    """The mean offset over many instances, in the unit of what it was taken of.

    Attributes:
        dx: To the right.
        dy: Down.
        dx_se: The standard error of ``dx``; NaN below 3 instances.
        dy_se: That of ``dy``.
        n: How many instances.
    """

    dx: float
    dy: float
    dx_se: float
    dy_se: float
    n: int

    def is_within(self, dx: float, dy: float, errors: float = 3.0) -> bool:
        """Whether both means, with so many standard errors on top, stay below these limits.

        False when there are too few instances to say it.
        """
        return abs(self.dx) + errors * self.dx_se < dx and abs(self.dy) + errors * self.dy_se < dy


def offset(truth: Rle, found: Rle) -> Offset | None:
    """How far the found mask lies beside the true one, or None where their outlines do not tell.

    They do not where one is empty, or where all that is left of an outline within the frame is short or
    straight. Meant for masks that overlap well (IoU of 0.5 or more).

    Raises:
        InputError: The masks differ in size.
    """
    if truth.size_hw != found.size_hw:
        raise InputError(
            f"Expected masks of one size, got {truth.size_hw} and {found.size_hw}.",
            hint="Compare masks of the same frame.",
        )
    if not truth.area or not found.area:
        return None
    window = _window(truth, found)
    points = _outline(decode(found)[window])
    true_mask = decode(truth)[window]
    if len(points) < _LEAST_POINTS or true_mask.all():
        return None
    return _fitted(_depth(true_mask), points)


def shift(offsets: Sequence[Offset]) -> Shift:
    """The mean offset in pixels, without the outermost fifth on either side.

    The standard error is that of a trimmed mean (K. K. Yuen, The two-sample trimmed t for unequal
    population variances, 1974). NaN without offsets.
    """
    return mean_shift(np.array([(one.dx, one.dy) for one in offsets], np.float64).reshape(-1, 2))


def mean_shift(values: _Floats) -> Shift:
    """As ``shift``, of N values (N, 2) float64, dx and dy in any unit, such as cells of a grid."""
    (dx, dx_se), (dy, dy_se) = (_trimmed_mean(values[:, axis]) for axis in (0, 1))
    return Shift(dx, dy, dx_se, dy_se, len(values))


def _window(truth: Rle, found: Rle) -> tuple[slice, slice]:
    """The part of the frame around both masks, as far as the frame goes."""
    boxes = np.array([truth.bbox_xyxy, found.bbox_xyxy])
    rim = 8
    left, top = (int(edge) for edge in np.maximum(boxes[:, :2].min(0) - rim, 0))
    right, bottom = (int(edge) + rim for edge in boxes[:, 2:].max(0))
    return slice(top, bottom), slice(left, right)


def _outline(mask: Mask) -> _Floats:
    """The middles between neighbouring pixels of which one is in the mask, (P, 2) y and x.

    Pixel centres have whole coordinates.
    """
    y, x = np.nonzero(mask[1:] != mask[:-1])
    v, u = np.nonzero(mask[:, 1:] != mask[:, :-1])
    return np.concatenate([np.stack([y + 0.5, x], axis=1), np.stack([v, u + 0.5], axis=1)])


def _depth(mask: Mask) -> _Floats:
    """How deep each pixel's centre lies within the mask, in pixels; negative outside, (H, W)."""
    inside = np.maximum(distance_transform_edt(mask) - 0.5, 0)
    outside = np.maximum(distance_transform_edt(~mask) - 0.5, 0)
    depth: _Floats = inside - outside
    return depth


def _fitted(depth: _Floats, points: _Floats) -> Offset | None:
    """The shift and the growth that lay the outline's points (P, 2) best onto the depth 0."""
    smooth = gaussian_filter(depth, _SMOOTHING_PX, mode="nearest")
    inwards = np.stack(np.gradient(smooth))
    limits = np.array(depth.shape) - 1
    moved, growth = np.zeros(2), 0.0
    for _ in range(_ROUNDS):
        here = points - moved
        here = here[np.all((here >= 0) & (here <= limits), axis=1)]
        if len(here) < _LEAST_POINTS:
            return None
        n = np.stack([map_coordinates(part, here.T, order=1) for part in inwards], axis=1)
        n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-6)
        depths = map_coordinates(depth, here.T, order=1)
        weights = _weights(depths + growth)
        if not _is_telling(n, weights):
            return None
        step, growth = _solved(n, depths, weights)
        moved += step
        if np.abs(step).max() < _SETTLED_PX:
            break
    return Offset(float(moved[1]), float(moved[0]), growth)


def _weights(residuals: _Floats) -> _Floats:
    """(P,) Tukey's biweights: 1 for a residual of 0, 0 for one beyond 4.7 times their usual size."""
    usual = max(1.4826 * float(np.median(np.abs(residuals))), _LEAST_USUAL_PX)
    weights: _Floats = np.maximum(1 - (residuals / (4.685 * usual)) ** 2, 0) ** 2
    return weights


def _is_telling(n: _Floats, weights: _Floats) -> bool:
    """Whether directions (P, 2) that spread enough are left to tell a shift from a growth."""
    total = weights.sum()
    if total < _LEAST_POINTS / 2:
        return False
    centred = n - (weights @ n) / total
    spread = (centred * weights[:, None]).T @ centred / total
    return bool(np.linalg.eigvalsh(spread)[0] >= _LEAST_SPREAD)


def _solved(n: _Floats, depths: _Floats, weights: _Floats) -> tuple[_Floats, float]:
    """The step (dy, dx) and the growth of least squares."""
    unknowns = np.column_stack([n, -np.ones(len(n))])
    root = np.sqrt(weights)
    solution = np.linalg.lstsq(unknowns * root[:, None], depths * root, rcond=None)[0]
    return solution[:2], float(solution[2])


def _trimmed_mean(values: _Floats) -> tuple[float, float]:
    """The mean without the outermost fifth on either side, and its standard error."""
    n = len(values)
    if not n:
        return math.nan, math.nan
    cut = int(_TRIMMED * n)
    ordered = np.sort(values)
    mean = float(ordered[cut : n - cut].mean())
    if n < 3:
        return mean, math.nan
    drawn_in = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    return mean, float(drawn_in.std(ddof=1) * math.sqrt(n) / (n - 2 * cut))
