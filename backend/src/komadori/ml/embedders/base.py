"""The port for models that put images and texts into one vector space."""

from collections.abc import Sequence
from typing import Protocol

from komadori.core.types import EmbeddingBatch, EmbeddingSpace, Image


class ImageTextEmbedder(Protocol):
    """Turns images and texts into unit vectors of one space.

    A batch never fails because of one image: what cannot be embedded is missing from
    ``kept``. Calls are made from one thread.
    """

    @property
    def space(self) -> EmbeddingSpace:
        """The space that all vectors of this embedder belong to."""

    @property
    def batch_size(self) -> int:
        """How many images one forward pass takes at most."""

    @property
    def device_name(self) -> str:
        """Where it runs and in which number format, for people ("cpu, bfloat16, openvino")."""

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """Vectors (K, D) of those of N images (H, W, 3) that could be embedded.

        The images may differ in size; more than ``batch_size`` are split.
        """

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """Vectors (N, D) of N texts.

        Raises:
            InputError: A text is longer than the model reads; it is read whole or not at all.
        """
