"""A segmenter that works on a frame for as long as the test likes, as an outside package would bring it.

Its source is a folder: for the n-th frame it makes the file ``begun-n`` in it and waits for ``go-n``.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from komadori.core.types import ConceptPrompt, Detections, Image
from komadori.ml.segmenters.base import ConceptSegmenter
from komadori.ml.segmenters.fake import FakeSegmenter

_BACKEND = Path(__file__).parents[2]
_LONGEST_WAIT_S = 60.0


class GatedSegmenter(FakeSegmenter):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n_frames = 0

    def segment(
        self, images: Sequence[Image], prompts: Sequence[ConceptPrompt], **thresholds: Any
    ) -> list[list[Detections]]:
        self._n_frames += 1
        (self._folder / f"begun-{self._n_frames}").touch()
        until_s = time.monotonic() + _LONGEST_WAIT_S
        while not (self._folder / f"go-{self._n_frames}").exists() and time.monotonic() < until_s:
            time.sleep(0.01)
        return super().segment(images, prompts, **thresholds)


def create(source: str, **_runtime: object) -> ConceptSegmenter:
    return GatedSegmenter(Path(source))


def install(folder: Path) -> str:
    """Say to Python, as ``pip install`` would, that this is a part: the import path that knows it."""
    info = folder / "gated_segmenter-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gated-segmenter\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[komadori.segmenters]\ngated = tests.support.gated_segmenter:create\n", "utf-8"
    )
    return f"{folder}:{_BACKEND}"
