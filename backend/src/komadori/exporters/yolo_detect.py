"""YOLO boxes, as Ultralytics trains detection with them.

Each line of a label file is ``class x y width height``: the centre and the size of a box as
shares of the picture. The box of an annotation with a mask is the one around its mask.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core import disk
from komadori.core.types import Annotation, Frame, JsonDict
from komadori.exporters import _yolo
from komadori.exporters.base import DatasetInfo, DatasetItem, Exporter, ExportSummary, FormatDescription

_NAME = "yolo-detect"


def create() -> Exporter:
    """The exporter; it has no parameters."""
    return YoloDetectExporter()


@dataclass(frozen=True, slots=True)
class YoloDetectExporter:
    """Writes and reads YOLO boxes; class numbers count from 0 in the order of the class names."""

    about = FormatDescription(
        title="YOLO detection",
        description="A box for each object, in the folders that Ultralytics trains detection from.",
        needs_masks=False,
    )

    def write(self, directory: Path, info: DatasetInfo, items: Iterable[DatasetItem]) -> ExportSummary:
        """Write the dataset in one pass.

        Annotations that cover no pixel are left out, and counted in the manifest.

        Raises:
            ConflictError: The folder is not empty.
            InputError: A record contradicts the others: an unknown class or run, a mask of another size.
            StorageError: The disk is full, or a picture is missing or was changed.
        """
        with (
            disk.storage_errors(f"write the dataset to {directory}"),
            _yolo.YoloFolder(directory, info, _NAME) as folder,
        ):
            for item in items:
                file_name = folder.add_frame(item)
                rows = []
                for annotation in folder.with_area(item):
                    rows.append(folder.row(annotation, item.frame, _box(annotation, item.frame)))
                    folder.count(annotation)
                folder.add_labels(file_name, rows)
            return folder.finish()

    def read(self, directory: Path) -> Iterator[tuple[str, list[JsonDict]]]:
        """The file name of each image with its objects: the class's number, and ``xywh`` around the centre.

        Raises:
            InputError: The folder holds no such dataset.
        """
        return (
            (file_name, [{"class": number, "xywh": numbers} for number, numbers in rows])
            for file_name, rows in _yolo.read_rows(directory, _NAME)
        )


def _box(annotation: Annotation, frame: Frame) -> NDArray[np.float64]:
    """Centre and size, (2, 2)."""
    xyxy = annotation.bbox_xyxy if annotation.mask is None else annotation.mask.bbox_xyxy
    first, last = np.clip(np.reshape(xyxy, (2, 2)), 0, (frame.width, frame.height))
    return _yolo.relative(np.stack(((first + last) / 2, last - first)), frame)
