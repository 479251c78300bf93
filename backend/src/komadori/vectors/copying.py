"""Copies a flat index as it is at one moment, while others write to it."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from komadori.core.disk import storage_errors
from komadori.core.errors import StorageError
from komadori.vectors import _head
from komadori.vectors._files import IndexFiles
from komadori.vectors._head import Head, HeadFile
from komadori.vectors._quantiser import Quantiser
from komadori.vectors._segments import Layout
from komadori.vectors._view import View

_ATTEMPTS = 20
_BLOCK_BYTES = 1 << 20
_RECORD_BYTES = 16


def copy(source: Path, target: Path) -> bool:
    """Copy what the index publishes now into a new folder; False when there is no index.

    Nobody waits for it: published rows never change, and neither do published records. A file
    that a writer removes meanwhile is one that a newer head no longer names.

    Raises:
        StorageError: The index cannot be read, or the copy not be written.
    """
    if not (source / "head").is_file():
        return False
    with storage_errors(f"copy the vector index in {source}"):
        head_file = HeadFile(source / "head")
        for _ in range(_ATTEMPTS):
            head = head_file.read()
            try:
                _copy(head, source, target)
            except FileNotFoundError:
                if head_file.read() == head:
                    raise
            else:
                return True
    raise StorageError(
        f"The vector index in {source} changes faster than it can be copied.", hint="Try again later."
    )


def _copy(head: Head, source: Path, target: Path) -> None:
    """The log and the segments that it leads to; the head goes last: without it there is no index.

    All are opened first: what is open stays readable when a writer removes it.

    Raises:
        FileNotFoundError: A newer head has taken over.
    """
    layout = Layout(head.dim, head.segment_rows)
    files = IndexFiles(source, layout, Quantiser(head.dim))
    segments = View(Head(head.dim, head.segment_rows)).followed_to(head, files).parts
    sizes = {f"rows-{number:06d}": layout.size for number in segments}
    if head.n_records:
        sizes[f"log-{head.generation:06d}"] = head.n_records * _RECORD_BYTES
    with ExitStack() as stack:
        opened = {name: stack.enter_context((source / name).open("rb")) for name in sizes}
        target.mkdir(parents=True)
        for name, original in opened.items():
            _copy_start(original, target / name, sizes[name])
    _head.create(target / "head", head)


def _copy_start(original: BinaryIO, target: Path, n_bytes: int) -> None:
    """The first ``n_bytes`` of a file; blocks of zeros take no room."""
    with target.open("xb") as copied:
        while n_bytes > 0 and (block := original.read(min(_BLOCK_BYTES, n_bytes))):
            n_bytes -= len(block)
            if block.count(0) == len(block):
                copied.seek(len(block), os.SEEK_CUR)
            else:
                copied.write(block)
        copied.truncate()
