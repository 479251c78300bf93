"""The folder of an index: names, and the reading and writing of its log and segments.

    head          what is published
    lock          held by the writer at work
    log-000000    pairs (id, slot), in the order of the changes; slot -1 forgets the id
    rows-000000   a segment: the rows of ``segment_rows`` slots

The log is the truth about which id has which row. A later pair replaces an earlier one.
"""

from collections.abc import Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.disk import sync_folder
from komadori.core.errors import PermanentStorageError
from komadori.vectors import _segments
from komadori.vectors._filesystem import durable, write_all
from komadori.vectors._quantiser import Quantiser
from komadori.vectors._segments import Layout, Segment

FORGOTTEN = -1
"""The slot of an id that was deleted."""

_PAIR = np.dtype("<i8")
_PAIR_BYTES = 16
_ENCODE_ROWS = 4096


class IndexFiles:
    """Reads and writes the files of one index; what to write is decided elsewhere."""

    def __init__(self, directory: Path, layout: Layout, quantiser: Quantiser) -> None:
        self.directory = directory
        self.layout = layout
        self._quantiser = quantiser

    def read_log(self, generation: int, start: int, stop: int) -> NDArray[np.int64]:
        """The records ``start`` to ``stop``, (N, 2) int64 pairs of id and slot.

        Raises:
            FileNotFoundError: A newer head does not count this log any more.
            StorageError: The file was cut.
        """
        n = (stop - start) * 2
        if n == 0:
            return np.zeros((0, 2), np.int64)
        path = self._log(generation)
        pairs = np.fromfile(path, _PAIR, n, offset=start * _PAIR_BYTES)
        if len(pairs) != n:
            raise PermanentStorageError(
                f"Expected {stop} records in {path}, found {start + len(pairs) // 2}.",
                hint="Restore the folder from a backup, or remove it and embed the frames again.",
                code="index-damaged",
            )
        return pairs.astype(np.int64, copy=False).reshape(-1, 2)

    def write_log(self, generation: int, start: int, pairs: NDArray[np.int64]) -> None:
        """Put pairs (N, 2) after the first ``start`` records; they count once the head says so."""
        with durable(self._log(generation), create=True) as descriptor:
            write_all(descriptor, pairs.astype(_PAIR).tobytes(), start * _PAIR_BYTES)
        if start == 0:
            sync_folder(self.directory)

    def open_segment(self, index: int) -> Segment:
        """Map a segment; raises like :func:`_segments.open_segment`."""
        return _segments.open_segment(self._rows(index), self.layout)

    def write_rows(self, slot: int, vectors: NDArray[np.float32]) -> None:
        """Put the vectors (N, D) at ``slot`` and the slots after it; they count once the head says so."""
        done = 0
        while done < len(vectors):
            index, row = divmod(slot + done, self.layout.n_rows)
            n = min(len(vectors) - done, self.layout.n_rows - row, _ENCODE_ROWS)
            block = vectors[done : done + n]
            _segments.write(self._rows(index), self.layout, row, block, self._quantiser.encode(block))
            done += n

    def remove_unused(self, generation: int, used_segments: Set[int], open_segment: int) -> None:
        """Remove the logs of other generations, and segments before the open one that hold nothing."""
        for path in self.directory.glob("log-*"):
            if path != self._log(generation) and path.name.removeprefix("log-").isdigit():
                path.unlink()
        for path in self.directory.glob("rows-*"):
            number = path.name.removeprefix("rows-")
            if number.isdigit() and int(number) < open_segment and int(number) not in used_segments:
                path.unlink()

    def _log(self, generation: int) -> Path:
        return self.directory / f"log-{generation:06d}"

    def _rows(self, index: int) -> Path:
        return self.directory / f"rows-{index:06d}"
