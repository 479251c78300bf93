"""The ports for models that find all objects of a named concept in an image, or the one that is clicked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from komadori.core.errors import DependencyError, InputError
from komadori.core.geometry import has_part_inside
from komadori.core.types import ClickPrompt, ConceptPrompt, Detections, Image, Refinement


class ConceptSegmenter(Protocol):
    """Finds, for each image and each prompt, the objects that the prompt names.

    An image is encoded once for all prompts, and a text once for all images. Calls are
    made from one thread.
    """

    @property
    def model_id(self) -> str:
        """The model as a person would name it."""

    @property
    def model_revision(self) -> str:
        """The commit of the checkpoint, or a hash of its files."""

    @property
    def device_name(self) -> str:
        """Where it runs and in which number format, for people."""

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        """Detections by image, then by prompt, with masks in the size of each image.

        Args:
            images: N images (H, W, 3); their sizes may differ.
            prompts: P prompts, asked of every image.
            score_threshold: Detections below it are left out, in [0, 1].
            mask_threshold: Pixels whose probability is above it belong to the mask.

        Raises:
            InputError: A prompt is longer than the model reads.
        """


@runtime_checkable
class ClickSegmenter(Protocol):
    """Outlines the one object that points, a box or a former mask mean.

    A segmenter may be this besides. The features of the last few images are kept, so that another
    click on the same frame is answered at once. Calls are made from one thread.
    """

    @property
    def model_id(self) -> str:
        """The model as a person would name it."""

    @property
    def model_revision(self) -> str:
        """The commit of the checkpoint, or a hash of its files."""

    @property
    def device_name(self) -> str:
        """Where it runs and in which number format, for people."""

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """The best mask for the prompt, in the size of the image (H, W, 3).

        Raises:
            InputError: The prompt names no object, or something outside the image.
            DependencyError: The segmenter answers no clicks.
        """


def clickable(segmenter: ConceptSegmenter) -> ClickSegmenter:
    """The segmenter as one that answers clicks; one that cannot says so when it is asked."""
    return segmenter if isinstance(segmenter, ClickSegmenter) else _ConceptsOnly(segmenter)


@dataclass(frozen=True, slots=True)
class _ConceptsOnly:
    """Says for a segmenter without ``refine`` that it has none."""

    segmenter: ConceptSegmenter

    @property
    def model_id(self) -> str:
        return self.segmenter.model_id

    @property
    def model_revision(self) -> str:
        return self.segmenter.model_revision

    @property
    def device_name(self) -> str:
        return self.segmenter.device_name

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        del image, prompt
        raise no_click_model(self.model_id)


def no_click_model(model_id: str) -> DependencyError:
    """The error for a segmenter that knows concepts only."""
    return DependencyError(
        f"The segmenter {model_id} finds concepts, but answers no clicks.",
        hint="Name one that does as KOMADORI_SEGMENTER, such as facebook/sam3, or draw the mask by hand.",
        code="no-click-model",
    )


def check_click_prompt(prompt: ClickPrompt, size_hw: tuple[int, int]) -> None:
    """Check that the prompt names an object in a frame of that size.

    Raises:
        InputError: It has nothing but negative points, or something of it lies outside the frame.
    """
    height, width = size_hw
    if not prompt.point_is_positive.any() and prompt.box_xyxy is None and prompt.mask is None:
        raise InputError(
            f"Expected a point on the object, or a box, got {len(prompt.points_xy)} points beside it.",
            hint="Click on the object first, then on what does not belong to it.",
            code="no-positive-point",
        )
    is_inside = ((prompt.points_xy >= 0) & (prompt.points_xy <= np.array([width, height]))).all(axis=1)
    if not is_inside.all():  # False for NaN, too
        raise InputError(
            f"Expected points in a frame of {width} x {height} pixels, got one at "
            f"{prompt.points_xy[~is_inside][0].tolist()}.",
            hint="Give x and y in pixels of the upright frame.",
            code="point-outside-frame",
        )
    if prompt.box_xyxy is not None and not has_part_inside(prompt.box_xyxy[None], size_hw).all():
        raise InputError(
            f"Expected a box x0 < x1, y0 < y1 inside a frame of {width} x {height} pixels, "
            f"got {prompt.box_xyxy.tolist()}.",
            hint="Draw the box around the object in this very frame.",
            code="invalid-box",
        )
    if prompt.mask is not None and prompt.mask.size_hw != size_hw:
        other_height, other_width = prompt.mask.size_hw
        raise InputError(
            f"Expected a mask of {height} x {width} pixels, got one of {other_height} x {other_width}.",
            hint="Give the mask in the size of its frame.",
            code="invalid-mask",
        )
