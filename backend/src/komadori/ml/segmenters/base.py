"""The port for models that find all objects of a named concept in an image."""

from collections.abc import Sequence
from typing import Protocol

from komadori.core.types import ConceptPrompt, Detections, Image


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
