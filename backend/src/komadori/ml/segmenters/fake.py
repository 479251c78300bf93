"""A segmenter without a model: the name of a colour finds the areas of that colour.

It keeps every promise of the port, so that a pipeline can be tested in milliseconds with results
that mean something: "a red car" finds what is red, whatever it is. An exemplar box without a colour
in words stands for the colour that fills most of it; areas inside a negative box are left out. A
click means the area of like colour around it.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.geometry import clip_xyxy
from komadori.core.types import ClickPrompt, ConceptPrompt, Detections, Image, Refinement
from komadori.ml.segmenters import _inputs
from komadori.ml.segmenters.base import ConceptSegmenter, check_click_prompt

HUES_DEG = {
    "red": 0.0,
    "orange": 30.0,
    "yellow": 60.0,
    "green": 120.0,
    "cyan": 180.0,
    "blue": 240.0,
    "purple": 280.0,
    "pink": 330.0,
}

GREYS = {"black": 0.0, "grey": 0.5, "gray": 0.5, "white": 1.0}
"""The brightness of the colours that have no hue."""

MIN_AREA_SHARE = 1 / 2000
"""Areas that fill less of the frame are taken for noise."""

LIKE_LEVELS = 48
"""How far a pixel may be from the colour that was clicked on, in each channel."""

_Map = NDArray[np.float32]
_Hsv = tuple[_Map, _Map, _Map]
_Runs = NDArray[np.int64]


class FakeSegmenter:
    """Finds connected areas of the colours that a prompt names; the same image gives the same areas."""

    model_id = "fake"
    model_revision = "1"
    device_name = "cpu, numpy"

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        """See :meth:`ConceptSegmenter.segment`; the confidence is the mean likeness in the area."""
        _inputs.check_thresholds(score_threshold, mask_threshold)
        _inputs.check_images(images)
        _inputs.check_prompts(prompts)
        for text in (prompt.text for prompt in prompts if prompt.text):
            n_tokens = len(text.split()) + 2  # a word is one token here, plus start and end
            if n_tokens > _inputs.MAX_PROMPT_TOKENS:
                raise _inputs.prompt_too_long(text, n_tokens)
        return [
            [_find(hsv, prompt, score_threshold, mask_threshold) for prompt in prompts]
            for hsv in map(_hsv, images)
        ]

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """See :meth:`ClickSegmenter.refine`; the confidence is the share of points that the mask agrees with.

        The mask has the former one and the areas of positive points, all within the box, without the
        areas of negative points. A box without a positive point stands for one on its centre.
        """
        _inputs.check_images([image])
        size_hw = image.shape[:2]
        check_click_prompt(prompt, size_hw)
        points = np.minimum(prompt.points_xy.astype(int), [size_hw[1] - 1, size_hw[0] - 1])
        positive = points[prompt.point_is_positive].tolist()
        found = np.zeros(size_hw, np.bool_) if prompt.mask is None else masks.decode(prompt.mask).copy()
        if prompt.box_xyxy is not None:
            x0, y0, x1, y1 = _whole_pixels(prompt.box_xyxy, size_hw)
            positive = positive or [((x0 + x1) // 2, (y0 + y1) // 2)]
        for x, y in positive:
            found |= _area_at(image, x, y)
        if prompt.box_xyxy is not None:
            inside = np.zeros(size_hw, np.bool_)
            inside[y0:y1, x0:x1] = True
            found &= inside
        for x, y in points[~prompt.point_is_positive].tolist():
            found &= ~_area_at(image, x, y)
        agrees = found[points[:, 1], points[:, 0]] == prompt.point_is_positive
        return Refinement(masks.encode(found), float(agrees.mean()) if len(points) else 1.0)


def create(
    source: str | Path = "fake",
    *,
    revision: str | None = None,
    model_id: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> ConceptSegmenter:
    """The fake; it takes the arguments of the real ones and has no use for them."""
    del source, revision, model_id, device, threads
    return FakeSegmenter()


def _find(hsv: _Hsv, prompt: ConceptPrompt, score_threshold: float, mask_threshold: float) -> Detections:
    size_hw = hsv[0].shape
    boxes = _inputs.boxes_in_frame(prompt, size_hw).round().astype(int)
    names = _colours_in(prompt.text) or [_colour_of(hsv, box) for box in boxes[prompt.box_is_positive]]
    if not names:
        return Detections.empty()
    likeness = np.max([_likeness(hsv, name) for name in names], axis=0)
    is_allowed = np.ones(size_hw, np.bool_)
    for x0, y0, x1, y1 in boxes[~prompt.box_is_positive]:
        is_allowed[y0:y1, x0:x1] = False
    found = [
        (float(likeness[area].mean()), masks.encode(area))
        for area in _areas((likeness > mask_threshold) & is_allowed, MIN_AREA_SHARE * likeness.size)
    ]
    found = sorted((f for f in found if f[0] >= score_threshold), key=lambda f: -f[0])
    return Detections(
        xyxy=np.array([rle.bbox_xyxy for _, rle in found], np.float32).reshape(-1, 4),
        confidence=np.array([confidence for confidence, _ in found], np.float32),
        masks=[rle for _, rle in found],
        class_names=[prompt.class_name] * len(found),
    )


def _colours_in(text: str | None) -> list[str]:
    words = (text or "").lower().replace(",", " ").split()
    return [word for word in words if word in HUES_DEG or word in GREYS]


def _colour_of(hsv: _Hsv, box_xyxy: NDArray[np.int_]) -> str:
    """The name of the colour that fills most of a box."""
    x0, y0, x1, y1 = box_xyxy
    hue, saturation, value = (channel[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] for channel in hsv)
    return max([*HUES_DEG, *GREYS], key=lambda name: float(_likeness((hue, saturation, value), name).sum()))


def _likeness(hsv: _Hsv, name: str) -> _Map:
    """How much each pixel looks like a colour, (H, W) float32 in [0, 1].

    A hue counts fully up to 20 degrees away and not at all from 40, a brightness up to 0.15 and from
    0.3; how vivid a pixel is decides between the hues and the greys.
    """
    hue_deg, saturation, value = hsv
    is_vivid = _ramp(saturation * value, 0.15, 0.45)
    if name in GREYS:
        return (1 - _ramp(np.abs(value - np.float32(GREYS[name])), 0.15, 0.3)) * (1 - is_vivid)
    distance_deg = np.abs((hue_deg - np.float32(HUES_DEG[name]) + 180) % 360 - 180)
    return (1 - _ramp(distance_deg, 20.0, 40.0)) * is_vivid


def _ramp(x: _Map, low: float, high: float) -> _Map:
    """0 up to ``low``, 1 from ``high``, straight between."""
    risen: _Map = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return risen


def _hsv(image: Image) -> _Hsv:
    """Hue in degrees, saturation and value in [0, 1], each (H, W) float32."""
    red, green, blue = np.moveaxis(image.astype(np.float32) / np.float32(255), 2, 0)
    value = image.max(axis=2) / np.float32(255)
    spread = value - image.min(axis=2) / np.float32(255)
    divisor = np.where(spread > 0, spread, np.float32(1))
    sector = np.where(
        value == red,
        (green - blue) / divisor % 6,
        np.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    return sector * np.float32(60), spread / np.where(value > 0, value, np.float32(1)), value


def _areas(mask: NDArray[np.bool_], min_area_px: float) -> Iterator[NDArray[np.bool_]]:
    """The parts of a mask (H, W) whose pixels touch by an edge, each as a mask, from top to bottom."""
    rows, starts, ends = _row_runs(mask)
    labels = _connected(rows, starts, ends, mask.shape[1])
    areas_px = np.bincount(labels, weights=ends - starts, minlength=1)
    for label in np.flatnonzero(areas_px >= max(min_area_px, 1)):
        area = np.zeros_like(mask)
        for run in np.flatnonzero(labels == label):
            area[rows[run], starts[run] : ends[run]] = True
        yield area


def _area_at(image: Image, x: int, y: int) -> NDArray[np.bool_]:
    """The pixels around a point that look like it and touch by an edge, as a mask (H, W)."""
    difference = np.abs(image.astype(np.int16) - image[y, x].astype(np.int16)).max(axis=2)
    rows, starts, ends = _row_runs(difference <= LIKE_LEVELS)
    labels = _connected(rows, starts, ends, image.shape[1])
    [clicked] = np.flatnonzero((rows == y) & (starts <= x) & (x < ends))
    area = np.zeros(image.shape[:2], np.bool_)
    for run in np.flatnonzero(labels == labels[clicked]):
        area[rows[run], starts[run] : ends[run]] = True
    return area


def _whole_pixels(box_xyxy: NDArray[np.float32], size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels of the frame that a box touches; at least one."""
    x0, y0, x1, y1 = clip_xyxy(box_xyxy[None], size_hw)[0].tolist()
    return int(x0), int(y0), ceil(x1), ceil(y1)


def _row_runs(mask: NDArray[np.bool_]) -> tuple[_Runs, _Runs, _Runs]:
    """Row, start and end (excluded) of each run of True, row by row from left to right."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return rows[::2], edges[::2], edges[1::2]


def _connected(rows: _Runs, starts: _Runs, ends: _Runs, width: int) -> _Runs:
    """For each run the number of the first run that it is connected with."""
    stride = width + 1
    first_above = np.searchsorted(rows * stride + ends, (rows - 1) * stride + starts, side="right")
    last_above = np.searchsorted(rows * stride + starts, (rows - 1) * stride + ends, side="left")
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    for run, (first, last) in enumerate(zip(first_above.tolist(), last_above.tolist(), strict=True)):
        for above in range(first, last):
            a, b = sorted((root(run), root(above)))
            parents[b] = a
    return np.array([root(run) for run in range(len(rows))], np.int64)
