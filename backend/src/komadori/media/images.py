"""Reads still pictures that Komadori wrote: stored frames, and what is left of what users search with."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from komadori.core.errors import StorageError
from komadori.core.types import Image

MAX_STORED_PIXELS = 50_000_000
"""No frame is larger; what claims to be is damaged, and is not read."""


def read_frame(data: bytes) -> Image:
    """A stored frame (H, W, 3) from its JPEG bytes.

    Raises:
        StorageError: The bytes are no whole JPEG.
    """
    hint = "Run `komadori verify` on its video: it takes the frame from the source again."
    with _damage_told("frame", "JPEG", hint):
        return _read(data, "JPEG")


def read_query_picture(data: bytes) -> Image:
    """A picture (H, W, 3) to search with, from the PNG bytes that :func:`~.query_picture.harmless` made.

    Raises:
        StorageError: The bytes are no whole PNG.
    """
    with _damage_told("picture", "PNG", "Search with the picture once more."):
        return _read(data, "PNG")


def _read(data: bytes, name: str) -> Image:
    with PillowImage.open(io.BytesIO(data), formats=[name]) as picture:
        if picture.width * picture.height > MAX_STORED_PIXELS:
            raise ValueError(f"it claims to have {picture.width} x {picture.height} pixels")
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


@contextmanager
def _damage_told(what: str, name: str, hint: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # damage surfaces as any of a dozen types
        reason = "its first bytes say so" if isinstance(error, UnidentifiedImageError) else error
        raise StorageError(
            f"A stored {what} is no readable {name}: {reason}.", hint=hint, code=f"damaged-{what}"
        ) from error
