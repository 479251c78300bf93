"""Which way up a picture is, from the display matrix that cameras write into the file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import Image


@dataclass(frozen=True, slots=True)
class Orientation:
    """Mirror the coded picture left to right if asked, then turn it clockwise by ``rotation`` degrees."""

    rotation: int
    is_mirrored: bool

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.rotation in (90, 270)

    def apply(self, picture: Image) -> Image:
        """The upright picture, contiguous in memory."""
        if not self.rotation and not self.is_mirrored:
            return picture
        mirrored = picture[:, ::-1] if self.is_mirrored else picture
        return np.ascontiguousarray(np.rot90(mirrored, k=-self.rotation // 90))


UPRIGHT = Orientation(0, is_mirrored=False)


def orientation_from_matrix(matrix: NDArray[np.int32] | None) -> Orientation:
    """The orientation that a display matrix asks for, to the nearest quarter turn.

    Args:
        matrix: (9,) int32, row by row, as in ISO/IEC 14496-12 (``a b u c d v x y w``): a point
            (x, y) of the coded picture is shown at (a x + c y, b x + d y), y downwards. None if
            there is no matrix. Angles between quarter turns would cut corners, and are rounded.
    """
    if matrix is None:
        return UPRIGHT
    a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
    is_mirrored = a * d - b * c < 0
    # Where the coded picture's x axis points, on a screen with y downwards; a mirrored one starts reversed.
    x_axis = (-a, -b) if is_mirrored else (a, b)
    if x_axis == (0.0, 0.0):
        return UPRIGHT
    quarter_turns = round(np.degrees(np.arctan2(x_axis[1], x_axis[0])) / 90) % 4
    return Orientation(int(quarter_turns) * 90, is_mirrored)
