"""What every segmenter demands of its thresholds, images and prompts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from komadori.core.errors import InputError
from komadori.core.geometry import clip_xyxy, has_part_inside
from komadori.core.types import ConceptPrompt, Image

MAX_PROMPT_TOKENS = 32
"""What the text tower of SAM 3 reads, the start and end tokens included."""


def check_thresholds(score_threshold: float, mask_threshold: float) -> None:
    """Check that both are probabilities.

    Raises:
        InputError: One is outside [0, 1] or not a number.
    """
    for name, value in (("score", score_threshold), ("mask", mask_threshold)):
        if not 0.0 <= value <= 1.0:
            raise InputError(
                f"Expected a {name} threshold from 0 to 1, got {value}.",
                hint="0.5 is a good start for both thresholds.",
                code="invalid-threshold",
            )


def check_images(images: Sequence[Image]) -> None:
    """Check that every image is (H, W, 3) uint8 and holds a pixel.

    Raises:
        InputError: One is not; its position is named.
    """
    for position, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(
                f"Expected images (H, W, 3) uint8, got {image.shape} {image.dtype} at position {position}.",
                hint="Decode the frame to upright RGB first.",
                code="invalid-image",
            )


def check_prompts(prompts: Sequence[ConceptPrompt]) -> None:
    """Check that concept models can answer the prompts: words and exemplar boxes, no points.

    Raises:
        InputError: A prompt has points, or nothing but blanks for a text.
    """
    for prompt in prompts:
        if len(prompt.points_xy):
            raise InputError(
                f"Expected words or exemplar boxes for {prompt.class_name!r}, got points: "
                "a point names one object, which is the tracker's work, and no concept.",
                hint="Draw a box around an example, or name the concept in words.",
                code="points-unsupported",
            )
        if prompt.text is not None and prompt.text.isspace():
            raise InputError(
                f"Expected a noun phrase for {prompt.class_name!r}, got only blanks.",
                hint="Name the concept in words, or leave the text out and draw a box.",
                code="empty-prompt",
            )


def prompt_too_long(text: str, n_tokens: int) -> InputError:
    """The error for a text that the model would not read to its end."""
    return InputError(
        f"Expected a prompt of at most {MAX_PROMPT_TOKENS} tokens, got {n_tokens}: {text[:60]!r}.",
        hint="Use a short noun phrase such as 'yellow school bus', one prompt for each concept.",
        code="prompt-too-long",
    )


def boxes_in_frame(prompt: ConceptPrompt, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """The exemplar boxes (B, 4) xyxy pixels, clipped to a frame of that size.

    Raises:
        InputError: Nothing of a box is inside the frame.
    """
    is_inside = has_part_inside(prompt.boxes_xyxy, size_hw)
    if not is_inside.all():
        outside = prompt.boxes_xyxy[~is_inside][0].tolist()
        raise InputError(
            f"Expected exemplar boxes x0 < x1, y0 < y1 inside a frame of {size_hw[1]} x {size_hw[0]} pixels, "
            f"got {outside}.",
            hint="Draw the box around an example in this very frame.",
            code="invalid-box",
        )
    return clip_xyxy(prompt.boxes_xyxy, size_hw)
