"""The pictures that the demo leaves: masks drawn on frames, and contact sheets of hits and of masks."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from komadori.cli import output
from komadori.cli.answers import Annotation, Frame, SearchAnswer
from komadori.cli.client import ApiClient
from komadori.cli.demo.quality import ComparedFrame, mask_of
from komadori.cli.pictures import (
    DrawnObject,
    contact_sheet,
    draw_overlay,
    is_writable,
    with_caption,
)
from komadori.core.types import Image
from komadori.demo_world.truth import Truth

_HITS_IN_A_ROW = 5
_HIT_WH = (256, 144)
_MASKS_IN_A_ROW = 3
_MASKS_WH = (432, 243)
_RIGHT = (0, 158, 115)
_WRONG = (213, 94, 0)
_REMARK = "Tinted: what was found. Dotted white: the truth."


@dataclass(frozen=True, slots=True)
class ShownSearch:
    """A search to show.

    Attributes:
        query: What was asked.
        plain: The same in Latin letters, for machines without a font for the others.
        answer: The hits.
        right: The ids of the frames that answer it; None where no truth is known.
    """

    query: str
    plain: str
    answer: SearchAnswer
    right: Collection[str] | None


def frame_image(api: ApiClient, frame_id: str) -> Image:
    """The picture of a frame, (H, W, 3)."""
    with Pictures.open(io.BytesIO(api.image(frame_id))) as picture:
        return np.asarray(picture.convert("RGB"))


def cut_out(api: ApiClient, truth: Truth, frames: Sequence[Frame], name: str) -> tuple[Frame, bytes]:
    """The frame in which most of a thing of that kind is seen, and the part around it as PNG."""
    best = max(
        ((frame, i) for frame in frames for i, kind in enumerate(truth.at(frame.pts).names) if kind == name),
        key=lambda one: truth.at(one[0].pts).visibility[one[1]],
    )
    frame, i = best
    x0, y0, x1, y1 = (float(edge) for edge in truth.at(frame.pts).boxes_xyxy[i])
    rim = 0.3 * max(x1 - x0, y1 - y0)
    picture = Pictures.fromarray(frame_image(api, frame.id))
    box = (max(0, x0 - rim), max(0, y0 - rim), min(frame.width, x1 + rim), min(frame.height, y1 + rim))
    file = io.BytesIO()
    picture.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3]))).save(file, "PNG")
    return frame, file.getvalue()


def write_compared(
    api: ApiClient,
    folder: Path,
    name: str,
    compared: Sequence[ComparedFrame],
    class_names: Sequence[str],
    sheet: Path,
    title: str,
) -> None:
    """Each frame with what was found, the truth around it and its numbers: a file each, and one of all."""
    tiles = []
    for one in compared:
        picture = _overlaid(api, one, class_names)
        with_caption(picture, f"{_score(one)}\n{_REMARK}").save(_path(folder, name, one.frame))
        tiles.append((np.asarray(picture), f"{_score(one)}\n{output.clock(one.frame.pts_s)}"))
    contact_sheet(tiles, _MASKS_IN_A_ROW, title, _MASKS_WH).save(sheet)


def write_overlays(
    api: ApiClient,
    folder: Path,
    name: str,
    proposals: Mapping[Frame, Sequence[Annotation]],
    class_names: Sequence[str],
    caption: str,
) -> None:
    """A picture of each frame with what was found on it, and a caption below."""
    for frame, found in proposals.items():
        objects = [_drawn(annotation, class_names) for annotation in found]
        picture = draw_overlay(frame_image(api, frame.id), objects)
        with_caption(picture, caption).save(_path(folder, name, frame))


def write_hit_sheet(api: ApiClient, path: Path, title: str, searches: Sequence[ShownSearch]) -> None:
    """The best hits of each search, a row each; where the truth is known, right ones have a green frame."""
    tiles = []
    for search in searches:
        query = search.query if is_writable(search.query) else search.plain
        for place, hit in enumerate(search.answer.hits[:_HITS_IN_A_ROW], 1):
            image = frame_image(api, hit.frame_id)
            verdict = ""
            if search.right is not None:
                is_right = hit.frame_id in search.right
                image = _framed(image, _RIGHT if is_right else _WRONG)
                verdict = "right   " if is_right else "wrong   "
            clock = output.clock(hit.pts_s)
            tiles.append((image, f"{query}\n{place}   {verdict}{clock}   score {hit.score:.2f}"))
    contact_sheet(tiles, _HITS_IN_A_ROW, title, _HIT_WH).save(path)


def _overlaid(api: ApiClient, one: ComparedFrame, class_names: Sequence[str]) -> Pictures.Image:
    objects = [
        _drawn(annotation, class_names, f", IoU {iou:.2f}" if iou else ", wrong")
        for annotation, iou in zip(one.found, one.iou, strict=True)
    ]
    return draw_overlay(frame_image(api, one.frame.id), objects, one.true_masks)


def _score(one: ComparedFrame) -> str:
    """What came of a frame, in a line."""
    n_wrong = len(one.found) - len(one.fitting)
    parts = []
    if one.fitting:
        parts.append(f"{len(one.fitting)} found, mean IoU {one.iou[one.iou > 0].mean():.2f}")
    if one.missed:
        parts.append(f"missed: {', '.join(one.missed)}")
    if n_wrong:
        parts.append(f"{n_wrong} wrong")
    return "; ".join(parts) or "nothing there, nothing found"


def _drawn(annotation: Annotation, class_names: Sequence[str], remark: str = "") -> DrawnObject:
    confidence = "" if annotation.confidence is None else f" {annotation.confidence:.2f}"
    return DrawnObject(
        mask=None if annotation.segmentation is None else mask_of(annotation),
        bbox_xyxy=annotation.bbox_xyxy,
        label=f"{annotation.class_name}{confidence}{remark}",
        colour_index=class_names.index(annotation.class_name),
    )


def _framed(image: Image, colour: tuple[int, int, int]) -> Image:
    """The picture with a coloured rim."""
    picture = Pictures.fromarray(image)
    line = max(2, round(max(picture.size) / 80))
    ImageDraw.Draw(picture).rectangle(
        (0, 0, picture.width - 1, picture.height - 1), outline=colour, width=line
    )
    return np.asarray(picture)


def _path(folder: Path, name: str, frame: Frame) -> Path:
    return folder / f"{name}_{frame.pts_s:06.2f}s.png"
