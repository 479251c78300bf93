"""Reads still pictures: stored frames, and what users search with."""

import io

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from komadori.core.errors import InputError, StorageError
from komadori.core.types import Image

MAX_QUERY_PIXELS = 50_000_000
"""A picture to search with may not have more pixels; it would be shrunk to a few hundred anyway."""

_QUERY_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def read_frame(data: bytes) -> Image:
    """A stored frame (H, W, 3) from its JPEG bytes.

    Raises:
        StorageError: The bytes are no whole JPEG.
    """
    try:
        with PillowImage.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise StorageError(
            f"A stored frame of {len(data)} bytes is no readable JPEG: {error}.",
            hint="Run `komadori verify` on its video: it takes the frame from the source again.",
            code="damaged-frame",
        ) from error


def read_query_picture(data: bytes) -> Image:
    """A user's picture (H, W, 3), upright, without alpha.

    Raises:
        InputError: It is no picture in a common format, or it is too large.
    """
    try:
        with PillowImage.open(io.BytesIO(data), formats=_QUERY_FORMATS) as picture:
            if picture.width * picture.height > MAX_QUERY_PIXELS:
                raise InputError(
                    f"The picture has {picture.width} x {picture.height} pixels.",
                    hint=f"Make it smaller than {MAX_QUERY_PIXELS // 1_000_000} megapixels.",
                    code="picture-too-large",
                )
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        PillowImage.DecompressionBombError,
    ) as error:
        raise InputError(
            "The file is no picture that can be read.",
            hint="Use a JPEG, PNG or WebP file.",
            code="unreadable-picture",
        ) from error
