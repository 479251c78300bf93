"""What every format asks of annotations, and what it says when they contradict each other."""

from collections.abc import Iterable

from komadori.core.errors import InputError
from komadori.core.types import Annotation, Frame, JsonDict
from komadori.exporters.base import DatasetInfo


def class_numbers(class_names: Iterable[str], first: int) -> dict[str, int]:
    """A number for each class, counted from ``first`` in the order of the names."""
    return {name: number for number, name in enumerate(sorted(set(class_names)), start=first)}


def number_of(annotation: Annotation, numbers: dict[str, int]) -> int:
    """The number of an annotation's class.

    Raises:
        InputError: The class is none of the dataset.
    """
    if annotation.class_name not in numbers:
        raise contradiction(annotation, f"a class among {list(numbers)}", repr(annotation.class_name))
    return numbers[annotation.class_name]


def run_of(annotation: Annotation, info: DatasetInfo) -> JsonDict:
    """The run that proposed an annotation; nothing for what a person drew.

    Raises:
        InputError: The run is none of the dataset.
    """
    if annotation.run_id is None:
        return {}
    if annotation.run_id not in info.runs:
        raise contradiction(annotation, f"a run among {sorted(info.runs)}", str(annotation.run_id))
    return info.runs[annotation.run_id]


def check_mask_size(annotation: Annotation, frame: Frame) -> None:
    """See that the mask has the size of its frame.

    Raises:
        InputError: It has not.
    """
    mask = annotation.mask
    if mask is not None and mask.size_hw != (frame.height, frame.width):
        expected = f"a mask of {frame.height} x {frame.width}, as its frame"
        raise contradiction(annotation, expected, f"{mask.size_hw[0]} x {mask.size_hw[1]}")


def has_area(annotation: Annotation) -> bool:
    """Whether an annotation covers anything."""
    if annotation.mask is not None:
        return annotation.mask.area > 0
    left, top, right, bottom = annotation.bbox_xyxy
    return right > left and bottom > top


def contradiction(annotation: Annotation, expected: str, got: str) -> InputError:
    """The error for a record that does not fit the others."""
    return InputError(
        f"Expected annotation {annotation.id} with {expected}, got {got}.",
        hint="Give the exporter the annotations, classes and runs of one and the same project.",
        code="inconsistent-dataset",
    )
