"""Brings high dynamic range pictures to what an 8-bit sRGB JPEG can show.

Signal to light by ITU-R BT.2100 (PQ: table 4, HLG: table 5 with the OOTF for a display of
1000 nits); 203 nits is the white of ordinary content (ITU-R BT.2408), so it is 1.0 here. Light
up to 0.3 keeps its value; above, a Moebius curve rolls off to reach white at 1000 nits. Colours
go from BT.2020 to BT.709 primaries in linear light and out-of-gamut parts are clipped.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import Image, JsonDict
from komadori.media.colour import HLG

REFERENCE_WHITE_NITS = 203.0
PEAK_NITS = 1000.0
KNEE = 0.3

_ROWS_AT_ONCE = 32
_SIGNAL_BITS = 12
_OUT_LEVELS = 1 << 14
_HLG_GAMMA = 1.2
_BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
# ITU-R BT.2087, table 3 (M2), the inverse direction as in BT.2407 annex 2.
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)

_Light = NDArray[np.float32]


def tone_map(signal: NDArray[np.uint16], transfer: int) -> Image:
    """Turn a PQ or HLG picture (H, W, 3) uint16 R'G'B' in BT.2020 into (H, W, 3) uint8 sRGB.

    Works through the picture in strips that stay in the processor's cache.
    """
    if signal.ndim != 3 or signal.shape[2] != 3 or signal.dtype != np.uint16:
        raise ValueError(f"expected (H, W, 3) uint16, got {signal.shape} {signal.dtype}")
    result = np.empty(signal.shape, np.uint8)
    light_of = _hlg_curve() if transfer == HLG else _moebius(_pq_curve())
    for top in range(0, len(signal), _ROWS_AT_ONCE):
        strip = signal[top : top + _ROWS_AT_ONCE] >> (16 - _SIGNAL_BITS)
        light = light_of[strip]
        if transfer == HLG:
            light = _moebius(_displayed(light))
        narrow = light @ _BT2020_TO_BT709.T
        np.clip(narrow, 0.0, 1.0, out=narrow)
        levels = (narrow * np.float32(_OUT_LEVELS - 1) + np.float32(0.5)).astype(np.uint16)
        result[top : top + _ROWS_AT_ONCE] = _srgb_levels()[levels]
    return result


def describe(transfer: int) -> JsonDict:
    """What the ledger says about the mapping."""
    return {
        "from": "hlg" if transfer == HLG else "pq",
        "curve": "moebius",
        "reference_white_nits": REFERENCE_WHITE_NITS,
        "peak_nits": PEAK_NITS,
        "knee": KNEE,
        "to": "srgb",
    }


def _moebius(light: _Light) -> _Light:
    """Compress light relative to white, so that the peak becomes 1; linear up to the knee."""
    peak = PEAK_NITS / REFERENCE_WHITE_NITS
    a = -KNEE * KNEE * (peak - 1) / (KNEE * KNEE - 2 * KNEE + peak)
    b = (KNEE * KNEE - 2 * KNEE * peak + peak) / (peak - 1)
    scale = (b * b + 2 * b * KNEE + KNEE * KNEE) / (b - a)
    rolled = scale * (light + a) / (light + b)
    return np.where(light <= KNEE, light, rolled).astype(np.float32)


def _displayed(scene: _Light) -> _Light:
    """Apply the OOTF of BT.2100 to scene light (..., 3) in [0, 1]; the result is relative to white."""
    luminance = np.maximum(scene @ _BT2020_LUMINANCE, 1e-6)
    gain = (PEAK_NITS / REFERENCE_WHITE_NITS) * luminance ** np.float32(_HLG_GAMMA - 1)
    return np.asarray(scene * gain[..., None], np.float32)


@cache
def _pq_curve() -> _Light:
    """Light relative to white for each signal level."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = _signal_levels() ** (1 / m2)
    nits = 10000.0 * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1)
    return np.asarray(nits / REFERENCE_WHITE_NITS, np.float32)


@cache
def _hlg_curve() -> _Light:
    """Scene light in [0, 1] for each signal level."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    signal = _signal_levels()
    return np.asarray(np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12), np.float32)


def _signal_levels() -> NDArray[np.float64]:
    # A level of the shortened signal stands for the middle of the values that were cut to it.
    n = 1 << _SIGNAL_BITS
    return (np.arange(n) + 0.5) / n


@cache
def _srgb_levels() -> NDArray[np.uint8]:
    light = np.linspace(0.0, 1.0, _OUT_LEVELS)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(encoded * 255), np.uint8)
