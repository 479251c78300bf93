"""The segmenter of colours, held up for as long as the test likes, as an outside package would bring it.

Its source is a folder: while there is a file ``held`` in it, no frame after the first one is begun.
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


class SteppingSegmenter(FakeSegmenter):
    def __init__(self, folder: Path) -> None:
        self._held = folder / "held"
        self._is_first = True

    def segment(
        self, images: Sequence[Image], prompts: Sequence[ConceptPrompt], **thresholds: Any
    ) -> list[list[Detections]]:
        if not self._held.exists():
            self._is_first = True
        elif self._is_first:
            self._is_first = False
        else:
            until_s = time.monotonic() + _LONGEST_WAIT_S
            while self._held.exists() and time.monotonic() < until_s:
                time.sleep(0.01)
        return super().segment(images, prompts, **thresholds)


def create(source: str, **_runtime: object) -> ConceptSegmenter:
    return SteppingSegmenter(Path(source))


def install(folder: Path) -> str:
    """Say to Python, as ``pip install`` would, that this is a part: the import path that knows it."""
    info = folder / "stepping_segmenter-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stepping-segmenter\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[komadori.segmenters]\nstepping = tests.support.stepping_segmenter:create\n", "utf-8"
    )
    return f"{folder}:{_BACKEND}"
