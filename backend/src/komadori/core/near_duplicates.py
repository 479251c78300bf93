"""Tells whether two frames of a video look the same, from 64 x 36 grey thumbnails.

Two measures are compared with thresholds: the mean absolute difference (MAD) sees a
change of the whole picture, the largest mean over one of 64 blocks (BMX) sees a person
who walks through a picture that is otherwise still. Perceptual hashes see neither well:
they are blind to small objects and excited by noise on even areas.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
"""(36, 64) uint8 grey."""

LUMA_SIZE_HW = (36, 64)
_BLOCK_HW = (9, 4)
_HASH_SIZE_HW = (8, 9)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two frames are apart, in grey levels (0 to 255)."""

    mad: float
    bmx: float


@dataclass(frozen=True, slots=True)
class DuplicateThresholds:
    """What counts as the same picture; the defaults are tuned on surveillance-like footage.

    Attributes:
        mad: The mean difference stays below this.
        bmx: The difference of every block stays below this.
        keep_every_s: After this long a frame is kept however similar it is.
    """

    mad: float = 6.0
    bmx: float = 18.0
    keep_every_s: float = 30.0

    def __post_init__(self) -> None:
        if min(self.mad, self.bmx, self.keep_every_s) < 0:
            raise ValueError(f"expected thresholds of zero or more, got {self}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a frame is to be kept, and how it compares with the last kept one.

    ``duplicate_of`` names the kept frame that the new one repeats, or is None.
    """

    duplicate_of: int | None
    compared_with: int | None
    difference: Difference | None


def difference(a: Luma, b: Luma) -> Difference:
    """How far two grey thumbnails (36, 64) are apart."""
    if a.shape != LUMA_SIZE_HW or b.shape != LUMA_SIZE_HW:
        raise ValueError(f"expected two arrays {LUMA_SIZE_HW}, got {a.shape} and {b.shape}")
    distance = np.abs(a.astype(np.int16) - b.astype(np.int16))
    (height, width), (rows, columns) = LUMA_SIZE_HW, _BLOCK_HW
    blocks = distance.reshape(height // rows, rows, width // columns, columns).mean(axis=(1, 3))
    return Difference(float(distance.mean()), float(blocks.max()))


class NearDuplicateFilter:
    """Compares each frame with the last *kept* one, never with all earlier ones.

    So a slow drift is sampled, and a scene that is visited again later is kept again.
    """

    def __init__(self, thresholds: DuplicateThresholds | None = None) -> None:
        self._thresholds = thresholds or DuplicateThresholds()
        self._kept: tuple[int, float, Luma] | None = None

    def judge(self, frame: int, time_s: float, luma: Luma) -> Verdict:
        """Decide on the next frame in time; a frame that is no duplicate becomes the last kept one."""
        if self._kept is None:
            self._kept = (frame, time_s, luma)
            return Verdict(None, None, None)
        kept_frame, kept_time_s, kept_luma = self._kept
        distance = difference(luma, kept_luma)
        limits = self._thresholds
        is_same = distance.mad < limits.mad and distance.bmx < limits.bmx
        if is_same and time_s - kept_time_s < limits.keep_every_s:
            return Verdict(kept_frame, kept_frame, distance)
        self._kept = (frame, time_s, luma)
        return Verdict(None, kept_frame, distance)


def dhash(luma: Luma) -> str:
    """A 64-bit difference hash as 16 hex digits: the sign of each horizontal gradient of a 9 x 8 picture."""
    if luma.shape != LUMA_SIZE_HW:
        raise ValueError(f"expected an array {LUMA_SIZE_HW}, got {luma.shape}")
    small = _ROWS @ luma.astype(np.float64) @ _COLUMNS.T
    bits = (small[:, 1:] > small[:, :-1] + 1e-6).ravel()
    return np.packbits(bits).tobytes().hex()


def _area_weights(n_out: int, n_in: int) -> NDArray[np.float64]:
    """(n_out, n_in) weights that average ``n_in`` samples into ``n_out`` equal areas."""
    edges = np.linspace(0.0, n_in, n_out + 1)
    samples = np.arange(n_in)
    overlap = np.minimum(edges[1:, None], samples + 1.0) - np.maximum(edges[:-1, None], samples)
    return np.asarray(np.clip(overlap, 0.0, None) * (n_out / n_in))


_ROWS = _area_weights(_HASH_SIZE_HW[0], LUMA_SIZE_HW[0])
_COLUMNS = _area_weights(_HASH_SIZE_HW[1], LUMA_SIZE_HW[1])
