"""What the YOLO formats share: the folder as Ultralytics reads it, and numbers relative to the picture.

    dataset.yaml            the classes, and where the pictures are
    images/train/*.jpg
    labels/train/*.txt      of the picture of the same name: one object a line, the class's number first
    ledger.jsonl            where each picture comes from, one a line
    manifest.json           what was exported, and the SHA-256 of each file

``dataset.yaml`` has no ``path``: without one, Ultralytics takes the folder that the file is
in, so a dataset can be moved (docs.ultralytics.com/datasets/segment, 8.4). A picture without
objects has an empty label file. Its reader takes a whole picture away when one of its numbers
is outside of [0, 1], so none ever is.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError
from komadori.core.types import Annotation, Frame, JsonDict
from komadori.exporters import _records
from komadori.exporters.base import DatasetInfo, ExportSummary
from komadori.exporters.dataset_folder import LEDGER, DatasetFolder, open_text

DATASET = "dataset.yaml"
IMAGES = "images/train"
LABELS = "labels/train"

_DIGITS = 6
"""After the point: a hundredth of a pixel in a picture of ten thousand."""

_HEAD = """\
# Paths are relative to the folder of this file.
# There is no split: val is the same as train. To validate, put the pictures of other videos there.
train: images/train
val: images/train
"""


class YoloFolder(DatasetFolder):
    """A dataset folder with a label file for each picture.

    Args:
        directory: Where to; made when it is not there.
        info: What the dataset says of itself.
        format_name: The registered name of the format.

    Raises:
        ConflictError: The folder has something in it.
    """

    def __init__(self, directory: Path, info: DatasetInfo, format_name: str) -> None:
        super().__init__(directory, info, format_name, IMAGES)
        self._root = directory
        self._dataset = info
        self._class_numbers = _records.class_numbers(info.class_names, first=0)
        self._label_files: list[str] = []
        (directory / LABELS).mkdir(parents=True)

    def row(self, annotation: Annotation, frame: Frame, numbers: NDArray[np.float64]) -> str:
        """A line of a label file: the class's number, then those of the object.

        Raises:
            InputError: The class, the run or the mask's size contradicts the rest of the dataset.
        """
        _records.run_of(annotation, self._dataset)
        _records.check_mask_size(annotation, frame)
        number = _records.number_of(annotation, self._class_numbers)
        return " ".join([str(number), *map(_plain, numbers.ravel().tolist())])

    def add_labels(self, file_name: str, rows: Sequence[str]) -> None:
        """Write the label file of a picture."""
        name = f"{LABELS}/{Path(file_name).stem}.txt"
        with open_text(self._root / name) as file:
            file.writelines(f"{row}\n" for row in rows)
        self._label_files.append(name)

    def finish(self, *format_files: str) -> ExportSummary:
        """Write ``dataset.yaml`` and the manifest, once everything else is there."""
        names = [f"  {number}: {_quoted(name)}\n" for name, number in self._class_numbers.items()]
        with open_text(self._root / DATASET) as file:
            file.write(_HEAD + ("names:\n" + "".join(names) if names else "names: {}\n"))
        return super().finish(DATASET, *self._label_files, *format_files)


def relative(pixels: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """Places (N, 2) in pixels as shares of the picture's width and height, as they are written."""
    shares: NDArray[np.float64] = np.clip(pixels / (frame.width, frame.height), 0, 1).round(_DIGITS)
    return shares


def read_rows(directory: Path, format_name: str) -> Iterator[tuple[str, list[tuple[int, list[float]]]]]:
    """The file name of each picture with its rows: the class's number, and the numbers after it.

    Raises:
        InputError: The folder holds no such dataset.
    """
    try:
        if not (directory / DATASET).is_file():
            raise FileNotFoundError(f"there is no {DATASET}")
        ledger: list[JsonDict] = [json.loads(line) for line in (directory / LEDGER).read_bytes().splitlines()]
        found = [(entry["file_name"], _rows(directory, entry["file_name"])) for entry in ledger]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as exc:
        raise InputError(
            f"Expected a YOLO dataset with {DATASET}, got {directory}: {exc}.",
            hint=f"Give the folder that `komadori export --format {format_name}` wrote.",
            code="no-yolo-dataset",
        ) from exc
    return iter(found)


def _rows(directory: Path, file_name: str) -> list[tuple[int, list[float]]]:
    lines = (directory / LABELS / f"{Path(file_name).stem}.txt").read_text("ascii").splitlines()
    return [(int(words[0]), [float(word) for word in words[1:]]) for words in map(str.split, lines)]


def _plain(number: float) -> str:
    """Without needless digits, and never with an exponent."""
    return f"{number:.{_DIGITS}f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    """A YAML string in double quotes, in ASCII; YAML does not know the surrogates of JSON."""
    letters = []
    for letter in text:
        if letter in '"\\':
            letters.append(f"\\{letter}")
        elif " " <= letter <= "~":
            letters.append(letter)
        else:
            letters.append(f"\\U{ord(letter):08X}")
    return f'"{"".join(letters)}"'
