"""The pictures that the demo leaves: masks drawn on frames, and a contact sheet of hits."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from komadori.cli import output
from komadori.cli.answers import Annotation, SearchAnswer
from komadori.cli.client import ApiClient
from komadori.cli.pictures import DrawnObject, contact_sheet, draw_overlay
from komadori.core.masks import Rle
from komadori.core.types import Image

_HITS_IN_A_ROW = 4


def frame_image(api: ApiClient, frame_id: str) -> Image:
    """The picture of a frame, (H, W, 3)."""
    with Pictures.open(io.BytesIO(api.image(frame_id))) as picture:
        return np.asarray(picture.convert("RGB"))


def write_overlays(
    api: ApiClient, folder: Path, annotations: Sequence[Annotation], class_names: Sequence[str]
) -> list[Path]:
    """A picture of each frame with its annotations drawn on it, in the order of the frames."""
    folder.mkdir()
    written = []
    for frame_id in sorted({annotation.frame_id for annotation in annotations}, key=int):
        frame = api.frame(frame_id)
        objects = [
            _drawn(annotation, class_names) for annotation in annotations if annotation.frame_id == frame_id
        ]
        path = folder / f"frame_{int(frame_id):04}_{frame.pts_s:06.2f}s.png"
        draw_overlay(frame_image(api, frame_id), objects).save(path, optimize=True)
        written.append(path)
    return written


def write_contact_sheet(api: ApiClient, path: Path, title: str, searches: Mapping[str, SearchAnswer]) -> None:
    """The best hits of each search, a row each; the keys say what was searched."""
    tiles = [
        (
            frame_image(api, hit.frame_id),
            f"{query}\nno. {place}   {output.clock(hit.pts_s)}   score {hit.score:.3f}",
        )
        for query, answer in searches.items()
        for place, hit in enumerate(answer.hits[:_HITS_IN_A_ROW], 1)
    ]
    contact_sheet(tiles, _HITS_IN_A_ROW, title).save(path, optimize=True)


def _drawn(annotation: Annotation, class_names: Sequence[str]) -> DrawnObject:
    confidence = "" if annotation.confidence is None else f" {annotation.confidence:.2f}"
    return DrawnObject(
        mask=None if annotation.segmentation is None else Rle.from_coco(annotation.segmentation.model_dump()),
        bbox_xyxy=annotation.bbox_xyxy,
        label=f"{annotation.class_name}{confidence}",
        colour_index=class_names.index(annotation.class_name),
    )
