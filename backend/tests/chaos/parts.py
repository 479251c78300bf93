"""Models that take a moment, and whose process dies at certain pictures, as an outside package brings them.

The setting ``chaos:fake`` wraps the fakes, ``chaos:demo`` the packaged demo models.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from komadori import demo_models
from komadori.core import registry
from komadori.core.types import ConceptPrompt, Detections, EmbeddingBatch, EmbeddingSpace, Image
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter

EMBEDDER_POISON = (200, 0, 200)
SEGMENTER_POISON = (0, 200, 200)
"""A picture that has this colour everywhere kills the process of that model."""

_BACKEND = Path(__file__).parents[2]
_PICTURE_S = 0.005
_TOLERANCE = 30


def open_embedder(source: str) -> ImageTextEmbedder:
    """The embedder inside: ``fake`` or ``demo``."""
    if source == "fake":
        fake: ImageTextEmbedder = registry.factory("embedders", "fake")("fake")
        return fake
    folder = demo_models.path("siglip2-demo")
    create = registry.factory("embedders", "siglip2")
    demo: ImageTextEmbedder = create(folder, revision="demo", model_id=folder.name, device="cpu", threads=1)
    return demo


def open_segmenter(source: str) -> ConceptSegmenter:
    """The segmenter inside: ``fake`` or ``demo``."""
    if source == "fake":
        fake: ConceptSegmenter = registry.factory("segmenters", "fake")("fake")
        return fake
    folder = demo_models.path("sam3-demo")
    create = registry.factory("segmenters", "sam3")
    demo: ConceptSegmenter = create(folder, revision="demo", model_id=folder.name, device="cpu", threads=1)
    return demo


class MortalEmbedder:
    """See :class:`~komadori.ml.embedders.base.ImageTextEmbedder`; its poison kills the process."""

    def __init__(self, inside: ImageTextEmbedder) -> None:
        self._inside = inside
        self.space: EmbeddingSpace = inside.space
        self.batch_size = inside.batch_size
        self.device_name = inside.device_name

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_images`."""
        _die_of(images, EMBEDDER_POISON)
        return self._inside.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_texts`."""
        return self._inside.embed_texts(texts)


class MortalSegmenter:
    """See :class:`~komadori.ml.segmenters.base.ConceptSegmenter`; its poison kills the process."""

    def __init__(self, inside: ConceptSegmenter) -> None:
        self._inside = inside
        self.model_id = inside.model_id
        self.model_revision = inside.model_revision
        self.device_name = inside.device_name

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        """See :meth:`ConceptSegmenter.segment`."""
        _die_of(images, SEGMENTER_POISON)
        return self._inside.segment(
            images, prompts, score_threshold=score_threshold, mask_threshold=mask_threshold
        )


def create_embedder(source: str, **_runtime: object) -> ImageTextEmbedder:
    """For the registry."""
    return MortalEmbedder(open_embedder(source))


def create_segmenter(source: str, **_runtime: object) -> ConceptSegmenter:
    """For the registry."""
    return MortalSegmenter(open_segmenter(source))


def install(folder: Path) -> str:
    """Say to Python, as ``pip install`` would, that these are parts: the import path that knows them."""
    info = folder / "komadori_chaos-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: komadori-chaos\nVersion: 1.0\n", "utf-8")
    points = "".join(
        f"[komadori.{kind}s]\nchaos = {__name__}:create_{kind}\n" for kind in ("embedder", "segmenter")
    )
    (info / "entry_points.txt").write_text(points, "utf-8")
    return f"{folder}:{_BACKEND}"


def _die_of(images: Sequence[Image], poison: tuple[int, int, int]) -> None:
    time.sleep(_PICTURE_S * len(images))
    if any((np.abs(image.astype(int) - poison) < _TOLERANCE).all() for image in images):
        os.kill(os.getpid(), signal.SIGKILL)
