"""What a dataset folder holds in every format: the pictures, the frame ledger and the manifest."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from komadori.core import disk
from komadori.core.errors import ConflictError, InputError, StorageError
from komadori.core.types import Annotation, Frame, JsonDict, Video
from komadori.exporters._records import has_area
from komadori.exporters.base import DatasetInfo, DatasetItem, ExportSummary

IMAGES = "images"
LEDGER = "ledger.jsonl"
MANIFEST = "manifest.json"


class DatasetFolder(AbstractContextManager["DatasetFolder"]):
    """Writes the common part of a dataset while a format writes its own; nothing depends on the time.

    A picture is a second name of the stored file, without a second copy of its bytes,
    where the filesystem has hard links.

    Args:
        directory: Where to; made when it is not there.
        info: What the dataset says of itself.
        format_name: The registered name of the format.
        images: Where the pictures go in it.

    Raises:
        ConflictError: The folder has something in it.
    """

    def __init__(self, directory: Path, info: DatasetInfo, format_name: str, images: str = IMAGES) -> None:
        self._directory = directory
        self._images = images
        self._info = info
        self._format_name = format_name
        self._videos: dict[int, JsonDict] = {}
        self._sha256: dict[str, str] = {}
        self._n_by_class: Counter[str] = Counter()
        self._n_without_area = 0
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConflictError(
                f"Expected an empty folder to export to, got {directory} with files in it.",
                hint="Choose a folder that does not exist yet.",
                code="folder-not-empty",
            )
        (directory / images).mkdir(parents=True)
        self._ledger = open_text(directory / LEDGER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ledger.close()

    @property
    def videos(self) -> list[JsonDict]:
        """The records of the videos whose frames were added, in the order of their first frame."""
        return list(self._videos.values())

    def add_frame(self, item: DatasetItem) -> str:
        """Put a frame's picture into the dataset and its entry into the ledger.

        Returns:
            The file name of the picture in the folder of pictures.

        Raises:
            InputError: The frame was added before.
            StorageError: The stored picture is not the one that was extracted.
        """
        file_name = image_file_name(item.video, item.frame)
        target = self._directory / self._images / file_name
        try:
            disk.link_or_copy(item.image_path, target)
        except FileExistsError as exc:
            raise InputError(
                f"Expected each frame once, got {file_name} twice.",
                hint="Give every frame with all its annotations as one item.",
                code="duplicate-frame",
            ) from exc
        self._sha256[f"{self._images}/{file_name}"] = _checked_sha256(item)
        self._videos.setdefault(item.video.id, video_record(item.video))
        self._ledger.write(to_json(_ledger_record(item, file_name)) + "\n")
        return file_name

    def count(self, annotation: Annotation) -> None:
        """Take down that an annotation was written."""
        self._n_by_class[annotation.class_name] += 1

    def with_area(self, item: DatasetItem) -> Iterator[Annotation]:
        """The annotations of an item that cover anything; the others are counted as left out."""
        for annotation in item.annotations:
            if has_area(annotation):
                yield annotation
            else:
                self._n_without_area += 1

    def finish(self, *format_files: str) -> ExportSummary:
        """Write the manifest, once everything else is there.

        Args:
            format_files: The closed files of the format, relative to the folder.
        """
        self._ledger.close()
        for name in (*format_files, LEDGER):
            disk.sync_file(self._directory / name)
            self._sha256[name] = disk.sha256_of(self._directory / name)
        with open_text(self._directory / MANIFEST) as file:
            file.write(to_json(self._manifest(), indent=2) + "\n")
        disk.sync_file(self._directory / MANIFEST)
        return ExportSummary(
            n_images=self._n_images,
            n_annotations=self._n_by_class.total(),
            files=[*sorted(self._sha256), MANIFEST],
        )

    @property
    def _n_images(self) -> int:
        return sum(name.startswith(f"{self._images}/") for name in self._sha256)

    def _manifest(self) -> JsonDict:
        return {
            "format": self._format_name,
            "komadori_version": self._info.komadori_version,
            "project": self._info.project,
            "status": self._info.status,
            "counts": {
                "videos": len(self._videos),
                "images": self._n_images,
                "annotations": self._n_by_class.total(),
                "annotations_by_class": dict(self._n_by_class),
                "annotations_left_out_without_area": self._n_without_area,
            },
            "runs": {str(run_id): run for run_id, run in self._info.runs.items()},
            "videos": self.videos,
            "files": self._sha256,
        }


def image_file_name(video: Video, frame: Frame) -> str:
    """A name that is unique over all videos, says where the picture is from, and opens everywhere.

    Only ASCII, because picture readers on Windows fail on other names.
    """
    plain = unicodedata.normalize("NFKD", Path(video.name).stem).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:40].strip("-") or "video"
    return f"{slug}-{video.sha256[:8]}_{frame.decode_index:06d}_{frame.pts}{frame_suffix(frame)}"


def frame_suffix(frame: Frame) -> str:
    """The file name extension of a frame's picture, with its dot."""
    return Path(frame.image_key).suffix or ".jpg"


def video_record(video: Video) -> JsonDict:
    """What a dataset says of a video; not where it lay, which is private."""
    return {
        "id": video.id,
        "name": video.name,
        "sha256": video.sha256,
        "size_bytes": video.size_bytes,
        "container": video.container,
        "codec": video.codec,
        "duration_s": video.duration_s,
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "stream_index": video.stream_index,
        "time_base": _as_ratio(video),
        "start_pts": video.start_pts,
    }


def open_text(path: Path) -> TextIO:
    """A new text file that has the same bytes on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("x", encoding="ascii", newline="\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON with sorted keys and ASCII only, as readers open it in the encoding of their system."""
    return json.dumps(value, indent=indent, sort_keys=True, allow_nan=False)


def _ledger_record(item: DatasetItem, file_name: str) -> JsonDict:
    video, frame = item.video, item.frame
    return {
        "frame_id": frame.id,
        "file_name": file_name,
        "video_sha256": video.sha256,
        "video_name": video.name,
        "stream_index": frame.stream_index,
        "decode_index": frame.decode_index,
        "pts": frame.pts,
        "time_base": _as_ratio(frame),
        "pts_s": frame.pts_s,
        "rotation": video.rotation,
        "transform": frame.transform,
        "width": frame.width,
        "height": frame.height,
        "is_key": frame.is_key,
        "is_suspect": frame.is_suspect,
        "image_sha256": frame.image_sha256,
    }


def _checked_sha256(item: DatasetItem) -> str:
    sha256, extracted = disk.sha256_of(item.image_path), item.frame.image_sha256
    if sha256 != extracted:
        raise StorageError(
            f"Expected {item.image_path} with the SHA-256 {extracted} of its extraction, got {sha256}.",
            hint=f"Run `komadori verify {item.video.id}`: it takes the frame from the source again.",
            code="image-changed",
        )
    return sha256


def _as_ratio(timed: Video | Frame) -> str:
    return f"{timed.time_base.numerator}/{timed.time_base.denominator}"
