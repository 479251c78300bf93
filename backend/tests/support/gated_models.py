"""Models that stop amid their work until the test lets them go on, and that die over black pictures.

Their source is a folder: while the file ``hold`` is in it they make the file ``held`` and wait. They
are parts as an outside package would bring them.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from komadori.core.types import ConceptPrompt, Detections, EmbeddingBatch, Image
from komadori.ml.embedders import fake as fake_embedder
from komadori.ml.segmenters import fake as fake_segmenter
from komadori.ml.segmenters.base import ConceptSegmenter

_BACKEND = Path(__file__).parents[2]


class Gate:
    """The test's end of it, and the model's."""

    def __init__(self, folder: Path) -> None:
        self._hold, self._held = folder / "hold", folder / "held"

    def close(self) -> None:
        self._held.unlink(missing_ok=True)
        self._hold.touch()

    def open(self) -> None:
        self._hold.unlink(missing_ok=True)

    def has_stopped_one(self) -> bool:
        return self._held.exists()

    def pass_through(self, images: Sequence[Image]) -> None:
        """What a model does with its pictures first."""
        if any(image.max() < 16 for image in images):
            os.kill(os.getpid(), signal.SIGKILL)
        while self._hold.exists():
            self._held.touch()
            time.sleep(0.02)


class GatedEmbedder(fake_embedder.FakeEmbedder):
    def __init__(self, gate: Gate) -> None:
        super().__init__(model_id="fake", revision="1", batch_size=64)
        self._gate = gate

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        self._gate.pass_through(images)
        return super().embed_images(images)


class GatedSegmenter:
    model_id, model_revision, device_name = "gated", "1", "cpu, float32"

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._fake: ConceptSegmenter = fake_segmenter.create()

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        self._gate.pass_through(images)
        return self._fake.segment(
            images, prompts, score_threshold=score_threshold, mask_threshold=mask_threshold
        )


def create_embedder(source: str, **_runtime: object) -> GatedEmbedder:
    return GatedEmbedder(Gate(Path(source)))


def create_segmenter(source: str, **_runtime: object) -> GatedSegmenter:
    return GatedSegmenter(Gate(Path(source)))


def install(folder: Path) -> str:
    """Say to Python, as ``pip install`` would, that these are parts: the import path that knows them."""
    info = folder / "gated_models-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gated-models\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[komadori.embedders]\ngated = tests.support.gated_models:create_embedder\n"
        "[komadori.segmenters]\ngated = tests.support.gated_models:create_segmenter\n",
        "utf-8",
    )
    return f"{folder}:{_BACKEND}"
