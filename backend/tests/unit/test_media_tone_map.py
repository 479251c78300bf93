"""Expected levels are computed by hand from the formulas of ITU-R BT.2100 and IEC 61966-2-1."""

import math

import numpy as np
import pytest

from komadori.media.colour import HLG, PQ
from komadori.media.tone_map import tone_map


def pq_signal(nits: float) -> float:
    y = (nits / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def srgb_level(light: float) -> float:
    encoded = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return 255 * encoded


def pixel(signal: tuple[float, ...], transfer: int) -> list[int]:
    picture = np.round(np.array([[signal]]) * 65535).astype(np.uint16)
    return [int(v) for v in tone_map(picture, transfer)[0, 0]]


def grey(nits: float) -> int:
    red, green, blue = pixel((pq_signal(nits),) * 3, PQ)
    assert max(red, green, blue) - min(red, green, blue) <= 1
    return green


@pytest.mark.parametrize("nits", [0.5, 2, 10, 30, 60])
def test_dark_and_middle_tones_keep_their_light(nits: float) -> None:
    assert grey(nits) == pytest.approx(srgb_level(nits / 203), abs=1.0)


@pytest.mark.parametrize(("nits", "level"), [(100, 180), (203, 215), (400, 238), (1000, 255), (4000, 255)])
def test_the_grey_ramp_rolls_off_towards_a_thousand_nits(nits: float, level: int) -> None:
    assert grey(nits) == pytest.approx(level, abs=1)


def test_highlights_stay_apart() -> None:
    levels = [grey(n) for n in (150, 250, 400, 600, 900)]
    assert levels == sorted(set(levels))


def test_hlg_reference_white_is_the_same_grey_as_pq_reference_white() -> None:
    assert pixel((0.75,) * 3, HLG)[1] == pytest.approx(grey(203), abs=2)


def test_hlg_peak_is_white() -> None:
    assert pixel((1.0,) * 3, HLG) == [255, 255, 255]


def test_hlg_dark_tone_follows_the_square_law_and_the_system_gamma() -> None:
    scene = 0.2**2 / 3
    nits = 1000 * scene**1.2
    assert pixel((0.2,) * 3, HLG)[1] == pytest.approx(srgb_level(nits / 203), abs=1.5)


def test_colours_go_from_the_wide_to_the_narrow_primaries() -> None:
    # BT.709 green at 40 nits, seen through the matrix of ITU-R BT.2087.
    wide = [40 * v for v in (0.3293, 0.9195, 0.0880)]
    red, green, blue = pixel(tuple(pq_signal(v) for v in wide), PQ)
    assert green == pytest.approx(srgb_level(40 / 203), abs=2)
    assert red <= 8
    assert blue <= 8


def test_black_is_black_for_both() -> None:
    assert pixel((0.0, 0.0, 0.0), PQ) == [0, 0, 0]
    assert pixel((0.0, 0.0, 0.0), HLG) == [0, 0, 0]


def test_strips_make_no_seams() -> None:
    column = np.linspace(0, 65535, 100).astype(np.uint16)
    picture = np.repeat(column[:, None, None], 3, axis=2)
    levels = tone_map(picture, PQ)[:, 0, 1].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert levels.shape == (100,)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="uint16"):
        tone_map(np.zeros((4, 4, 3), np.uint8), PQ)


def test_the_curve_is_smooth_at_its_knee() -> None:
    below, above = grey(0.299 * 203), grey(0.301 * 203)
    assert abs(above - below) <= 1
    assert math.isclose(below, srgb_level(0.299), abs_tol=1.5)
