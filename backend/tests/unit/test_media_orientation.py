import numpy as np
import pytest

from komadori.media.orientation import Orientation, orientation_from_matrix

# A coded picture with one marked corner, top left: L(eft) R(ight), T(op) B(ottom).
PICTURE = np.zeros((2, 3, 3), np.uint8)
PICTURE[0, 0] = 255
ONE = 1 << 16


def matrix(a: int, b: int, c: int, d: int) -> np.ndarray:
    return np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30], np.int32)


@pytest.mark.parametrize(
    ("abcd", "rotation", "is_mirrored", "corner"),
    [
        ((1, 0, 0, 1), 0, False, (0, 0)),
        ((0, 1, -1, 0), 90, False, (0, -1)),
        ((-1, 0, 0, -1), 180, False, (-1, -1)),
        ((0, -1, 1, 0), 270, False, (-1, 0)),
        ((-1, 0, 0, 1), 0, True, (0, -1)),
        ((1, 0, 0, -1), 180, True, (-1, 0)),
        ((0, 1, 1, 0), 270, True, (0, 0)),
        ((0, -1, -1, 0), 90, True, (-1, -1)),
    ],
)
def test_the_eight_orientations(
    abcd: tuple[int, int, int, int], rotation: int, is_mirrored: bool, corner: tuple[int, int]
) -> None:
    orientation = orientation_from_matrix(matrix(*abcd))
    assert orientation == Orientation(rotation, is_mirrored)
    upright = orientation.apply(PICTURE)
    assert upright.shape[:2] == ((3, 2) if orientation.swaps_sides else (2, 3))
    assert upright[corner].tolist() == [255, 255, 255]
    assert upright.flags.c_contiguous


def test_without_a_matrix_nothing_is_turned() -> None:
    assert orientation_from_matrix(None) == Orientation(0, is_mirrored=False)


def test_a_matrix_of_zeros_is_ignored() -> None:
    assert orientation_from_matrix(matrix(0, 0, 0, 0)) == Orientation(0, is_mirrored=False)


def test_crooked_angles_go_to_the_nearest_quarter() -> None:
    crooked = np.array([ONE // 10, ONE, 0, -ONE, ONE // 10, 0, 0, 0, 1 << 30], np.int32)
    assert orientation_from_matrix(crooked).rotation == 90
