"""COCO instances: boxes and masks in one JSON file, the masks as compressed run lengths.

    annotations/instances_default.json    as COCO and CVAT name it: task, then subset
    images/*.jpg                          ``file_name`` in the JSON is relative to this folder
    ledger.jsonl                          where each picture comes from, one a line
    manifest.json                         what was exported, and the SHA-256 of each file

``iscrowd`` is always 0: each annotation is one object, and evaluation would ignore a
crowd. A run-length ``segmentation`` with ``iscrowd`` 0 is what ``pycocotools`` decodes;
it keeps holes and parts, which polygons do not. An annotation without a mask has an
empty list there, as other tools write it.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from komadori.core import disk
from komadori.core.errors import InputError
from komadori.core.types import Annotation, Frame, JsonDict
from komadori.exporters import _records
from komadori.exporters.base import DatasetInfo, DatasetItem, Exporter, ExportSummary, FormatDescription
from komadori.exporters.dataset_folder import DatasetFolder, open_text, to_json

INSTANCES = "annotations/instances_default.json"


def create() -> Exporter:
    """The exporter; it has no parameters."""
    return CocoExporter()


@dataclass(frozen=True, slots=True)
class CocoExporter:
    """Writes and reads COCO instances.

    Image and annotation ids are those of the database, so they are the same in every
    export of a project. Category ids count from 1 in the order of the class names.
    """

    about = FormatDescription(
        title="COCO",
        description="Boxes and masks in one JSON file, the masks as run lengths: nothing is lost.",
        needs_masks=False,
    )

    def write(self, directory: Path, info: DatasetInfo, items: Iterable[DatasetItem]) -> ExportSummary:
        """Write the dataset in one pass; memory does not grow with the masks.

        Annotations that cover no pixel are left out, and counted in the manifest.

        Raises:
            ConflictError: The folder is not empty.
            InputError: A record contradicts the others: an unknown class or run, a mask of another size.
            StorageError: The disk is full, or a picture is missing or was changed.
        """
        records = _Records(info)
        with (
            disk.storage_errors(f"write the dataset to {directory}"),
            DatasetFolder(directory, info, "coco") as folder,
            open_text(directory / INSTANCES) as file,
            tempfile.TemporaryFile("w+", encoding="ascii", newline="\n", dir=directory) as spool,
        ):
            # The format has all images before all annotations, but the items bring both together.
            file.write(f'{{"info": {to_json(records.info)},\n"licenses": [],\n')
            file.write(f'"categories": {to_json(records.categories)},\n"images": [')
            images, annotations = _Array(file), _Array(spool)
            for item in items:
                images.append(records.image(item, folder.add_frame(item)))
                for annotation in folder.with_area(item):
                    annotations.append(records.annotation(annotation, item.frame))
                    folder.count(annotation)
            file.write('],\n"annotations": [')
            spool.seek(0)
            shutil.copyfileobj(spool, file)
            file.write(f'],\n"videos": {to_json(folder.videos)}}}\n')
            file.close()
            return folder.finish(INSTANCES)

    def read(self, directory: Path) -> Iterator[tuple[str, list[JsonDict]]]:
        """The file name of each image with its annotations, as they stand in the JSON.

        Raises:
            InputError: The folder holds no such dataset.
        """
        path = directory / INSTANCES
        annotations: dict[int, list[JsonDict]] = {}
        try:
            dataset = json.loads(path.read_bytes())
            images = [(image["id"], image["file_name"]) for image in dataset["images"]]
            for annotation in dataset["annotations"]:
                annotations.setdefault(annotation["image_id"], []).append(annotation)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise InputError(
                f"Expected a COCO dataset with {INSTANCES}, got {directory}: {exc}.",
                hint="Give the folder that `komadori export --format coco` wrote.",
                code="no-coco-dataset",
            ) from exc
        return ((file_name, annotations.get(image_id, [])) for image_id, file_name in images)


class _Array:
    """The elements of a JSON array, one a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._separator = "\n"

    def append(self, record: JsonDict) -> None:
        self._file.write(self._separator + to_json(record))
        self._separator = ",\n"


class _Records:
    """The JSON objects of the format."""

    def __init__(self, info: DatasetInfo) -> None:
        self._info = info
        self._category_ids = _records.class_numbers(info.class_names, first=1)
        self.info = {
            "description": f"{info.project}: annotations with status {info.status}",
            "contributor": f"Komadori {info.komadori_version}",
            "version": "1.0",
        }
        self.categories = [
            {"id": category_id, "name": name, "supercategory": ""}
            for name, category_id in self._category_ids.items()
        ]

    def image(self, item: DatasetItem, file_name: str) -> JsonDict:
        frame = item.frame
        return {
            "id": frame.id,
            "file_name": file_name,
            "width": frame.width,
            "height": frame.height,
            "video_id": item.video.id,
            "decode_index": frame.decode_index,
            "pts": frame.pts,
            "time_base": f"{frame.time_base.numerator}/{frame.time_base.denominator}",
            "pts_s": frame.pts_s,
        }

    def annotation(self, annotation: Annotation, frame: Frame) -> JsonDict:
        return {
            "id": annotation.id,
            "image_id": frame.id,
            "category_id": _records.number_of(annotation, self._category_ids),
            "iscrowd": 0,
            **_shape(annotation, frame),
            **{key: value for key, value in self._origin(annotation).items() if value is not None},
        }

    def _origin(self, annotation: Annotation) -> JsonDict:
        """Who made an annotation and what became of it; None where it does not apply."""
        run = _records.run_of(annotation, self._info)
        return {
            "score": annotation.confidence,
            "status": annotation.status.value,
            "source": annotation.source.value,
            "revision": annotation.revision,
            "track_id": annotation.track_id,
            "prompt": annotation.prompt,
            "run_id": annotation.run_id,
            "model": run.get("model_id"),
            "model_revision": run.get("model_revision"),
        }


def _shape(annotation: Annotation, frame: Frame) -> JsonDict:
    """Segmentation, box and area; all of the mask where there is one."""
    _records.check_mask_size(annotation, frame)
    mask = annotation.mask
    if mask is None:
        bbox = _xywh(annotation.bbox_xyxy)
        return {"segmentation": [], "bbox": bbox, "area": bbox[2] * bbox[3]}
    return {"segmentation": mask.to_coco(), "bbox": _xywh(mask.bbox_xyxy), "area": mask.area}


def _xywh(xyxy: tuple[float, float, float, float]) -> list[float]:
    left, top, right, bottom = xyxy
    return [left, top, right - left, bottom - top]
