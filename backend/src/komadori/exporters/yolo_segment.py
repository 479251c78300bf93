"""YOLO polygons, as Ultralytics trains segmentation with them, with a record of what each one lost.

Each line of a label file is ``class x y x y ...``: the corners of one polygon, as shares of
the picture. The format has one polygon for an object, so parts are tied together by bridges
without width, and holes are cut open in the same way. ``polygons.jsonl`` says of each object
how near its polygon comes to its mask. Where one does not come near enough, or there is no
mask at all, nothing is exported: a picture that lacks an object teaches that there is none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from komadori.core import disk
from komadori.core.errors import InputError
from komadori.core.types import Annotation, Frame, JsonDict
from komadori.exporters import _polygons, _yolo
from komadori.exporters._polygons import Fit
from komadori.exporters.base import DatasetInfo, DatasetItem, Exporter, ExportSummary, FormatDescription
from komadori.exporters.dataset_folder import open_text, to_json

POLYGONS = "polygons.jsonl"
LEAST_IOU = 0.9

_NAME = "yolo-segment"
_NAMED = 5
_OTHERS = "Use the format coco, which keeps every mask as it is, or yolo-detect for boxes"


def create(least_iou: float = LEAST_IOU) -> Exporter:
    """The exporter; a polygon that overlaps its mask by less than ``least_iou`` is an error."""
    return YoloSegmentExporter(least_iou)


@dataclass(frozen=True, slots=True)
class YoloSegmentExporter:
    """Writes and reads YOLO polygons; class numbers count from 0 in the order of the class names."""

    least_iou: float
    about = FormatDescription(
        title="YOLO segmentation",
        description="One polygon for each mask, in the folders that Ultralytics trains segmentation from.",
        needs_masks=True,
    )

    def write(self, directory: Path, info: DatasetInfo, items: Iterable[DatasetItem]) -> ExportSummary:
        """Write the dataset in one pass; a few milliseconds for each mask.

        Annotations that cover no pixel are left out, and counted in the manifest.

        Raises:
            ConflictError: The folder is not empty.
            InputError: A record contradicts the others, or some masks are missing, or make no good polygon.
            StorageError: The disk is full, or a picture is missing or was changed.
        """
        unfit = _Unfit(self.least_iou)
        with (
            disk.storage_errors(f"write the dataset to {directory}"),
            _yolo.YoloFolder(directory, info, _NAME) as folder,
            open_text(directory / POLYGONS) as record,
        ):
            for item in items:
                file_name = folder.add_frame(item)
                rows: list[str] = []
                for annotation in folder.with_area(item):
                    found = _fit(annotation, item.frame)
                    numbers = np.zeros(0) if found.corners is None else found.corners
                    rows.append(folder.row(annotation, item.frame, numbers))
                    unfit.look_at(annotation, found)
                    folder.count(annotation)
                    _record(record, annotation, found, file_name, len(rows))
                folder.add_labels(file_name, rows)
            unfit.check()
            record.close()
            return folder.finish(POLYGONS)

    def read(self, directory: Path) -> Iterator[tuple[str, list[JsonDict]]]:
        """The file name of each image with its objects: the class's number, and the ``polygon``'s x and y.

        Raises:
            InputError: The folder holds no such dataset.
        """
        return (
            (file_name, [{"class": number, "polygon": numbers} for number, numbers in rows])
            for file_name, rows in _yolo.read_rows(directory, _NAME)
        )


@dataclass(slots=True)
class _Unfit:
    """What cannot be written; all of it is gathered, so that one attempt tells everything."""

    least_iou: float
    without_mask: list[int] = field(default_factory=list)
    too_far: list[tuple[float, int]] = field(default_factory=list)

    def look_at(self, annotation: Annotation, found: Fit) -> None:
        if annotation.mask is None:
            self.without_mask.append(annotation.id)
        elif found.iou < self.least_iou:
            self.too_far.append((found.iou, annotation.id))

    def check(self) -> None:
        if self.without_mask:
            raise InputError(
                f"Expected a mask of every annotation, got {len(self.without_mask)} without one: "
                f"{_some(self.without_mask)}.",
                hint=f"{_OTHERS}, or give these annotations masks.",
                code="masks-missing",
            )
        if self.too_far:
            self.too_far.sort()
            raise InputError(
                f"Expected polygons of at most {_polygons.MOST_CORNERS} corners with an IoU of at least "
                f"{self.least_iou} to their masks, got {len(self.too_far)} below: "
                f"{_some([annotation_id for _, annotation_id in self.too_far])}; the worst is at "
                f"{self.too_far[0][0]:.2f}.",
                hint=f"{_OTHERS}, or edit these annotations: as a rule their masks are full of specks.",
                code="polygon-too-far",
            )


def _fit(annotation: Annotation, frame: Frame) -> Fit:
    if annotation.mask is None:
        return Fit(None, 0.0, 0, 0)
    size = np.array((frame.width, frame.height), np.float64)
    return _polygons.fit(
        annotation.mask, lambda pixels: _yolo.relative(pixels, frame), lambda shares: shares * size
    )


def _record(file: TextIO, annotation: Annotation, found: Fit, file_name: str, line: int) -> None:
    values: JsonDict = {
        "annotation_id": annotation.id,
        "file_name": file_name,
        "line": line,
        "class_name": annotation.class_name,
        "iou": round(found.iou, 4),
        "corners": 0 if found.corners is None else len(found.corners),
        "parts": found.n_parts,
        "holes": found.n_holes,
    }
    file.write(to_json(values) + "\n")


def _some(ids: list[int]) -> str:
    """The first of them by name."""
    named = ", ".join(str(annotation_id) for annotation_id in ids[:_NAMED])
    return f"annotations {named}" + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
