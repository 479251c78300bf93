"""Segments: files of a fixed number of rows, written once and read through a map.

A file holds four sections, each at a page: the int8 codes, their scales, their errors, and
the float32 vectors. It has its full size from the start and takes disk space only as it
fills. Nobody looks at a file, or at a row in it, before the head of the index counts it.
"""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.disk import sync_folder
from komadori.core.errors import PermanentStorageError
from komadori.vectors._filesystem import durable, write_all
from komadori.vectors._quantiser import Codes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the sections of a segment of ``n_rows`` rows of ``dim`` components are, in bytes."""

    dim: int
    n_rows: int

    @property
    def scales_at(self) -> int:
        """The start of the scales; the codes start at 0."""
        return _page_end(self.n_rows * self.dim)

    @property
    def errors_at(self) -> int:
        """The start of the errors."""
        return self.scales_at + _page_end(self.n_rows * 4)

    @property
    def vectors_at(self) -> int:
        """The start of the vectors."""
        return self.errors_at + _page_end(self.n_rows * 4)

    @property
    def size(self) -> int:
        """The size of the whole file."""
        return self.vectors_at + _page_end(self.n_rows * self.dim * 4)


@dataclass(frozen=True, slots=True)
class Segment:
    """A mapped segment; it stays readable after its file was removed.

    Attributes:
        codes: The int8 codes (R, D), scales (R,) and errors (R,) of all R rows, also unwritten ones.
        vectors: (R, D) float32.
    """

    codes: Codes
    vectors: NDArray[np.float32]


def write(path: Path, layout: Layout, row: int, vectors: NDArray[np.float32], codes: Codes) -> None:
    """Put the vectors (N, D) and their codes at ``row`` and the rows after it, on the disk.

    The caller holds the writers' lock.
    """
    with durable(path, create=True) as descriptor:
        if os.fstat(descriptor).st_size == 0:  # new, or left behind by a crash right here
            os.ftruncate(descriptor, layout.size)
        write_all(descriptor, codes.codes.data, row * layout.dim)
        write_all(descriptor, codes.scales.data, layout.scales_at + row * 4)
        write_all(descriptor, codes.errors.data, layout.errors_at + row * 4)
        write_all(descriptor, vectors.data, layout.vectors_at + row * layout.dim * 4)
    if row == 0:
        sync_folder(path.parent)


def open_segment(path: Path, layout: Layout) -> Segment:
    """Map a segment that the head counts.

    Raises:
        FileNotFoundError: A newer head does not count it any more.
        StorageError: The file was cut.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != layout.size:
            raise PermanentStorageError(
                f"Expected {layout.size} bytes in {path}, found {size}.",
                hint="Restore the folder from a backup, or remove it and embed the frames again.",
                code="index-damaged",
            )
        mapped = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    n_rows, dim = layout.n_rows, layout.dim
    return Segment(
        codes=Codes(
            np.frombuffer(mapped, np.int8, n_rows * dim).reshape(n_rows, dim),
            np.frombuffer(mapped, np.float32, n_rows, layout.scales_at),
            np.frombuffer(mapped, np.float32, n_rows, layout.errors_at),
        ),
        vectors=np.frombuffer(mapped, np.float32, n_rows * dim, layout.vectors_at).reshape(n_rows, dim),
    )


def _page_end(n_bytes: int) -> int:
    return -(-n_bytes // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
