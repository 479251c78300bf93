"""What every embedder demands of its images and parameters."""

from typing import TypeGuard

import numpy as np

from komadori.core.errors import InputError
from komadori.core.types import Image


def is_usable(image: object) -> TypeGuard[Image]:
    """Whether it is a picture (H, W, 3) uint8 with at least one pixel."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


def check_batch_size(batch_size: int | None) -> None:
    """Check that it is a number of images, where it is given.

    Raises:
        InputError: It is less than 1.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(
            f"Expected a batch size of at least 1, got {batch_size}.",
            hint="Leave it out for the embedder's own.",
        )


def text_too_long(unread: str, n_tokens: int, most: int) -> InputError:
    """The error for a text that the model would not read to its end, from ``unread`` on."""
    return InputError(
        f"Expected a text of at most {most} tokens (words, or parts of them), got {n_tokens}: "
        f"the model would not read {unread[:60]!r} and what follows.",
        hint="Leave that out, or search for each part alone.",
        code="text-too-long",
    )
