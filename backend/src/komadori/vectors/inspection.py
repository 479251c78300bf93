"""A look at the files of a flat index, without writing to it and without being one of its writers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.disk import storage_errors
from komadori.core.errors import ConflictError, StorageError
from komadori.vectors._files import FORGOTTEN, IndexFiles
from komadori.vectors._head import Head, HeadFile
from komadori.vectors._quantiser import UNIT_TOLERANCE, Quantiser
from komadori.vectors._segments import Layout
from komadori.vectors._view import Part, View
from komadori.vectors.flat import FlatIndex

_ROWS_AT_ONCE = 4096
_ATTEMPTS = 20
_CLOSE = 1e-3
"""How far scales and errors may be off: the order of a sum differs with the number of rows."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an index has.

    Attributes:
        ids: (N,) int64, the ids that have a vector, ascending.
        damaged: (M,) int64, those whose vector is not finite, not of unit norm, or not what its code says.
        faults: What is wrong with the files as a whole; then nothing else is known.
        unused: Files that nothing published names, left by a process that was killed.
    """

    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    damaged: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    faults: list[str] = field(default_factory=list)
    unused: list[Path] = field(default_factory=list)


def inspect(directory: Path, dim: int, *, is_deep: bool = False) -> Inspection | None:
    """What the index in a folder has; None when there is no index.

    Reads every vector once. ``is_deep`` also makes every code again and compares.
    """
    if not (directory / "head").is_file():
        return None
    try:
        with storage_errors(f"read the vector index in {directory}"):
            head_file = HeadFile(directory / "head")
            published = head_file.read()
            if published.dim != dim:
                return Inspection(faults=[f"It holds {published.dim} components a vector, not {dim}."])
            files = IndexFiles(directory, Layout(dim, published.segment_rows), Quantiser(dim))
            view = _view(head_file, files)
            _check_slots(view, files)
    except (StorageError, ConflictError) as error:
        return Inspection(faults=[error.message])
    ids = [np.zeros(0, np.int64), *(part.ids[part.rows] for part in view.parts.values())]
    damaged = [np.zeros(0, np.int64), *_damaged(view, Quantiser(dim) if is_deep else None)]
    return Inspection(
        np.sort(np.concatenate(ids)), np.concatenate(damaged), unused=list(_unused(directory, view))
    )


def tidy(directory: Path, dim: int) -> None:
    """Remove the files that nothing published names; takes the writers' turn."""
    FlatIndex(directory, dim).tidy()


def _view(head_file: HeadFile, files: IndexFiles) -> View:
    """The view of what is published; writers may replace files meanwhile, a newer head then says so."""
    for _ in range(_ATTEMPTS):
        head = head_file.read()
        try:
            return View(Head(head.dim, head.segment_rows)).followed_to(head, files)
        except FileNotFoundError:
            if head_file.read() == head:
                raise
    raise StorageError("The index changes faster than it can be read.", hint="Look again later.")


def _check_slots(view: View, files: IndexFiles) -> None:
    slots = files.read_log(view.head.generation, 0, view.head.n_records)[:, 1]
    if len(slots) and (slots.min() < FORGOTTEN or slots.max() >= view.head.next_slot):
        raise StorageError(
            f"A record names the row {slots.max()}, of {view.head.next_slot}.", hint="Embed the frames again."
        )


def _damaged(view: View, quantiser: Quantiser | None) -> Iterator[NDArray[np.int64]]:
    for part in view.parts.values():
        for start in range(0, len(part.rows), _ROWS_AT_ONCE):
            rows = part.rows[start : start + _ROWS_AT_ONCE]
            is_good = _is_unit(part.segment.vectors[rows])
            if quantiser is not None:
                is_good[is_good] = _has_own_code(part, rows[is_good], quantiser)
            yield part.ids[rows[~is_good]]


def _is_unit(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    with np.errstate(over="ignore", invalid="ignore"):
        is_unit: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) <= UNIT_TOLERANCE
    return is_unit  # False for NaN


def _has_own_code(part: Part, rows: NDArray[np.int64], quantiser: Quantiser) -> NDArray[np.bool_]:
    """Whether the codes of these rows are those of their vectors: searches trust them."""
    if not len(rows):
        return np.zeros(0, np.bool_)
    own, stored = quantiser.encode(part.segment.vectors[rows]), part.segment.codes
    off_by = np.abs(own.codes.astype(np.int16) - stored.codes[rows]).max(axis=1)
    is_scale = np.isclose(own.scales, stored.scales[rows], rtol=_CLOSE, atol=0)
    is_error = np.isclose(own.errors, stored.errors[rows], rtol=_CLOSE, atol=0)
    good: NDArray[np.bool_] = (off_by <= 1) & is_scale & is_error
    return good


def _unused(directory: Path, view: View) -> Iterator[Path]:
    open_segment = view.head.next_slot // view.head.segment_rows
    for path in sorted(directory.glob("log-*")):
        if path.name != f"log-{view.head.generation:06d}":
            yield path
    for path in sorted(directory.glob("rows-*")):
        number = path.name.removeprefix("rows-")
        if not number.isdigit() or (int(number) < open_segment and int(number) not in view.parts):
            yield path
