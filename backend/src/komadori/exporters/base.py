"""The port for dataset formats, and the records that every format is written from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from komadori.core.types import Annotation, Frame, JsonDict, Video


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """One frame with its annotations, in the order in which they are written."""

    video: Video
    frame: Frame
    image_path: Path
    annotations: Sequence[Annotation]


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a dataset says of itself; nothing in it depends on the time of the export.

    ``runs`` are the annotation runs by id, as ``{model_id, model_revision, prompts, thresholds}``.
    """

    project: str
    class_names: Sequence[str]
    status: str
    runs: dict[int, JsonDict]
    komadori_version: str


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written."""

    n_images: int
    n_annotations: int
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class FormatDescription:
    """What people choose a format by.

    Attributes:
        title: Its name, as those who use it write it.
        description: What it holds, one sentence.
        needs_masks: Whether it has no place for an annotation that is only a box.
    """

    title: str
    description: str
    needs_masks: bool


class Exporter(Protocol):
    """Writes and reads one dataset format."""

    @property
    def about(self) -> FormatDescription:
        """What the format is."""

    def write(self, directory: Path, info: DatasetInfo, items: Iterable[DatasetItem]) -> ExportSummary:
        """Write the dataset into the empty ``directory`` in one pass over ``items``.

        The same input gives the same bytes. The caller renames the folder into place.

        Raises:
            ConflictError: The folder is not empty.
            InputError: A record contradicts the others.
            StorageError: The disk is full, or a picture is missing or was changed.
        """

    def read(self, directory: Path) -> Iterable[tuple[str, list[JsonDict]]]:
        """The file name of each image with its annotations, as the format has them.

        Raises:
            InputError: The folder holds no dataset of this format.
        """
