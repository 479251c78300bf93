"""Masks as run lengths, in the encoding of COCO: column by column, zeros first.

A mask stays in this form from the worker to the export, with its holes and parts.
The byte string is the one that ``pycocotools`` reads and writes (the format is
described by its reference implementation, cocoapi ``common/maskApi.c``: each run
after the third is stored as the difference to the run two before it, in groups of
five bits, low ones first).

Areas, boxes, overlaps and unions are computed on the runs; their cost grows with the
outline of a mask, not with its area.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError

Runs = NDArray[np.int64]
"""(R,) int64 pixels, column by column: background, foreground, background and so on."""

Intervals = tuple[Runs, Runs]
"""Where the runs of an object start, and where they end (excluded); sorted and disjoint."""

Mask = NDArray[np.bool_]
"""(H, W) bool, True in the object."""

_ASCII_ZERO = 48
_MORE = 0x20
_SIGN = 0x10
_LOW_BITS = 0x1F
_MAX_GROUPS = 7  # 34 bits and a sign: more than any run in _MAX_PIXELS needs
_MAX_PIXELS = 2**31 - 1  # COCO's own tools count in 32 bits


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as COCO's compressed string.

    Attributes:
        size_hw: Height and width in pixels.
        counts: The run lengths as ASCII bytes.

    Raises:
        InputError: The size is not positive, or the runs do not fill it exactly.
    """

    size_hw: tuple[int, int]
    counts: bytes

    def __post_init__(self) -> None:
        _check_size(self.size_hw)
        _check_runs(decode_runs(self.counts), self.size_hw)

    @property
    def area(self) -> int:
        """The number of pixels in the object."""
        return int(decode_runs(self.counts)[1::2].sum())

    @property
    def bbox_xyxy(self) -> tuple[float, float, float, float]:
        """The tight box on pixel edges: left and top included, right and bottom excluded.

        All zeros for an empty mask.
        """
        starts, ends = _intervals(self)
        if not len(starts):
            return (0.0, 0.0, 0.0, 0.0)
        height = self.size_hw[0]
        first_column, last_column = starts // height, (ends - 1) // height
        if np.any(first_column != last_column):  # a run over a column's end touches both edges
            top, bottom = 0, height
        else:
            top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
        return (float(first_column[0]), float(top), float(last_column[-1] + 1), float(bottom))

    def to_coco(self) -> dict[str, Any]:
        """The ``segmentation`` of COCO: ``{"size": [h, w], "counts": str}``."""
        return {"size": list(self.size_hw), "counts": self.counts.decode("ascii")}

    @staticmethod
    def from_coco(segmentation: Mapping[str, Any]) -> "Rle":
        """The mask of a COCO ``segmentation``, compressed (str or bytes) or not (a list).

        Raises:
            InputError: It is not such a mapping, or its runs do not fill its size.
        """
        try:
            height, width = (index(side) for side in segmentation["size"])
            counts = _counts_as_bytes(segmentation["counts"])
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise _invalid('Expected a mask as {"size": [h, w], "counts": ...}, got something else.') from exc
        return Rle((height, width), counts)


def encode(mask: Mask) -> Rle:
    """The run lengths of a mask (H, W) bool, the same bytes as ``pycocotools`` gives.

    Any memory order is taken without a copy into another one.

    Raises:
        InputError: The mask is not a non-empty (H, W) bool array.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise _invalid(f"Expected a mask (H, W) bool, got {mask.shape} {mask.dtype}.")
    height, width = mask.shape
    _check_size((height, width))
    edges = _edges(mask)
    bounds = np.concatenate(([0], edges, [height * width]))
    runs = np.diff(bounds)
    if mask[0, 0]:
        runs = np.concatenate(([0], runs))
    return Rle((height, width), encode_runs(runs))


def decode(rle: Rle) -> Mask:
    """The mask (H, W) bool; in column-major memory order, as the runs are."""
    height, width = rle.size_hw
    runs = decode_runs(rle.counts)
    is_object = np.arange(len(runs)) % 2 == 1
    return np.repeat(is_object, runs).reshape(width, height).T


def crop(rle: Rle) -> tuple[Mask, tuple[int, int]]:
    """The mask (h, w) bool within its box, and the left and the top edge of that; (0, 0) when it is empty."""
    height = rle.size_hw[0]
    left, top, right, bottom = (int(edge) for edge in rle.bbox_xyxy)
    edges = np.stack(_intervals(rle), axis=1).ravel() - left * height
    runs = np.diff(edges, prepend=0, append=(right - left) * height)
    is_object = np.arange(len(runs)) % 2 == 1
    return np.repeat(is_object, runs).reshape(right - left, height).T[top:bottom], (left, top)


def encode_runs(runs: Runs) -> bytes:
    """COCO's string for run lengths (R,) int64, the first of which is background.

    Raises:
        InputError: A run is negative or longer than any picture.
    """
    if len(runs) and (runs.min() < 0 or runs.max() > _MAX_PIXELS):
        raise _invalid(f"Expected runs from 0 to {_MAX_PIXELS} pixels, got {runs.min()} to {runs.max()}.")
    values = runs.astype(np.int64)
    values[3:] -= runs[1:-2]
    largest = int(np.abs(values).max(initial=0))
    positions = np.arange(largest.bit_length() // 5 + 1)
    groups = values[:, None] >> (5 * positions)
    # A value is complete in k groups when what is left is nothing but copies of the sign bit.
    is_more = (groups >> 4) != (values >> 63)[:, None]
    n_groups = is_more.sum(axis=1) + 1
    is_used = positions < n_groups[:, None]
    letters = (groups & _LOW_BITS) + _MORE * is_more + _ASCII_ZERO
    return bytes(letters[is_used].astype(np.uint8))


def decode_runs(counts: bytes) -> Runs:
    """The run lengths (R,) int64 of COCO's string.

    Raises:
        InputError: The string has foreign letters, is cut off, or holds a negative run.
    """
    letters = np.frombuffer(counts, np.uint8).astype(np.int64) - _ASCII_ZERO
    if not len(letters):
        raise _invalid("Expected the run lengths of a mask, got an empty string.")
    if letters.min() < 0 or letters.max() >= 2 * _MORE or letters[-1] & _MORE:
        raise _invalid("Expected a compressed COCO mask, got foreign letters or a string that was cut off.")
    lasts = np.flatnonzero(~letters & _MORE)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    n_groups = lasts - firsts + 1
    if n_groups.max() > _MAX_GROUPS:
        raise _invalid("Expected runs shorter than a picture, got one of more than 34 bits.")
    shifts = 5 * (np.arange(len(letters)) - np.repeat(firsts, n_groups))
    runs = np.add.reduceat((letters & _LOW_BITS) << shifts, firsts)
    runs -= ((letters[lasts] & _SIGN) != 0) * (1 << (5 * n_groups))
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    if runs.min() < 0:
        raise _invalid(f"Expected runs of zero or more pixels, got one of {runs.min()}.")
    return runs


def iou(a: Rle, b: Rle) -> float:
    """Intersection over union in [0, 1]; 0 when both are empty, as COCO has it.

    Raises:
        InputError: The masks differ in size.
    """
    return float(iou_matrix([a], [b])[0, 0])


def iou_matrix(a: Sequence[Rle], b: Sequence[Rle]) -> NDArray[np.float64]:
    """Intersection over union of each of N masks with each of M, (N, M) float64.

    Raises:
        InputError: The masks differ in size.
    """
    _check_same_size([*a, *b])
    own, others = [_intervals(rle) for rle in a], [_intervals(rle) for rle in b]
    areas = np.add.outer([_length(i) for i in own], [_length(i) for i in others])
    unions = areas.copy()
    for i, j in zip(*np.nonzero(_boxes_touch(a, b)), strict=True):
        unions[i, j] = _length(_union([own[i], others[j]]))
    matrix: NDArray[np.float64] = (areas - unions) / np.maximum(unions, 1)
    return matrix


def merge(rles: Sequence[Rle]) -> Rle:
    """The union of one or more masks.

    Raises:
        InputError: There are none, or they differ in size.
    """
    if not rles:
        raise _invalid("Expected at least one mask to merge, got none.")
    _check_same_size(rles)
    height, width = rles[0].size_hw
    edges = np.stack(_union([_intervals(rle) for rle in rles]), axis=1).ravel()
    runs = np.diff(edges, prepend=0, append=height * width)
    if len(runs) > 1 and runs[-1] == 0:  # the object reaches the last pixel
        runs = runs[:-1]
    return Rle((height, width), encode_runs(runs))


def _edges(mask: Mask) -> Runs:
    """The positions, column by column and sorted, of pixels that differ from the one before them."""
    height, width = mask.shape
    if mask.flags.f_contiguous:
        pixels = mask.ravel(order="F")
        return np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    rows, columns = np.divmod(np.flatnonzero(mask[1:] != mask[:-1]), width)
    inside = columns * height + rows + 1
    at_top = np.flatnonzero(mask[0, 1:] != mask[-1, :-1]) * height + height
    edges: Runs = np.concatenate((inside, at_top))
    edges.sort()
    return edges


def _intervals(rle: Rle) -> Intervals:
    """The runs of the object, without those of no pixels."""
    runs = decode_runs(rle.counts)
    ends = np.cumsum(runs)[1::2]
    lengths = runs[1::2]
    is_real = lengths > 0
    return (ends - lengths)[is_real], ends[is_real]


def _length(intervals: Intervals) -> int:
    starts, ends = intervals
    return int((ends - starts).sum())


def _boxes_touch(a: Sequence[Rle], b: Sequence[Rle]) -> Mask:
    """Which of N boxes shares a pixel with which of M, (N, M) bool."""
    left = np.array([rle.bbox_xyxy for rle in a]).reshape(-1, 1, 4)
    right = np.array([rle.bbox_xyxy for rle in b]).reshape(1, -1, 4)
    shared = np.minimum(left[..., 2:], right[..., 2:]) - np.maximum(left[..., :2], right[..., :2])
    touches: Mask = np.all(shared > 0, axis=-1)
    return touches


def _union(intervals: Sequence[Intervals]) -> Intervals:
    """What is covered by any of one or more sets of intervals; those that meet become one.

    The i-th start of all, counted from 0, opens a new interval only when i of the ends lie
    before it, since then all that began earlier is over.
    """
    # The stable sort merges pieces that are sorted already, in linear time.
    starts = np.sort(np.concatenate([starts for starts, _ in intervals]), kind="stable")
    ends = np.sort(np.concatenate([ends for _, ends in intervals]), kind="stable")
    is_gap = starts[1:] > ends[:-1]
    is_outer = np.ones(min(1, len(starts)), np.bool_)
    return starts[np.concatenate((is_outer, is_gap))], ends[np.concatenate((is_gap, is_outer))]


def _counts_as_bytes(counts: object) -> bytes:
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        return counts.encode("ascii")
    runs = np.asarray(counts)
    if runs.ndim != 1 or runs.dtype.kind not in "iu":
        raise TypeError("the counts are neither a string nor a list of integers")
    return encode_runs(runs.astype(np.int64))


def _check_size(size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise _invalid(f"Expected a mask of 1 to {_MAX_PIXELS} pixels, got {height} x {width}.")


def _check_runs(runs: Runs, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    total = int(runs.sum())
    if total != height * width:
        raise _invalid(f"Expected runs that fill {height} x {width} = {height * width} pixels, got {total}.")


def _check_same_size(rles: Sequence[Rle]) -> None:
    sizes = {rle.size_hw for rle in rles}
    if len(sizes) > 1:
        raise _invalid(f"Expected masks of one size, got {sorted(sizes)}.")


def _invalid(message: str) -> InputError:
    hint = "Give the mask in the size of its frame, as compressed or uncompressed COCO RLE."
    return InputError(message, hint=hint, code="invalid-mask")
