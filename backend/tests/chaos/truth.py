"""What must come out: the models are asked in quiet, once for each picture."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import Annotation, ConceptPrompt, Frame, Image
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter
from tests.chaos.client import PROMPTS
from tests.chaos.clips import Clip

SCORE_THRESHOLD, MASK_THRESHOLD = 0.1, 0.5

Shape = tuple[str, bytes, tuple[int, ...]]
"""An annotation without its identity: class, mask, and box to the pixel."""


@dataclass(slots=True)
class Truth:
    """Copies of a clip have the same pictures, so most answers are remembered."""

    embedder: ImageTextEmbedder
    segmenter: ConceptSegmenter
    _vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    _shapes: dict[str, Counter[Shape]] = field(default_factory=dict)
    _pictures: dict[tuple[str, int], str] = field(default_factory=dict)

    def picture(self, clip: Clip, frame: Frame) -> str:
        """The hash of that frame in the first copy of the clip that was looked at."""
        return self._pictures.setdefault((clip.name, frame.decode_index), frame.image_sha256)

    def vector(self, frame: Frame, image: Image) -> NDArray[np.float32]:
        """(D,) float32: what the embedder makes of the frame."""
        if frame.image_sha256 not in self._vectors:
            self._vectors[frame.image_sha256] = self.embedder.embed_images([image]).vectors[0]
        return self._vectors[frame.image_sha256]

    def shapes(self, frame: Frame, image: Image) -> Counter[Shape]:
        """What the segmenter finds in the frame."""
        if frame.image_sha256 not in self._shapes:
            prompts = [ConceptPrompt(class_name=text, text=text) for text in PROMPTS]
            found = self.segmenter.segment(
                [image], prompts, score_threshold=SCORE_THRESHOLD, mask_threshold=MASK_THRESHOLD
            )[0]
            self._shapes[frame.image_sha256] = Counter(
                (prompt, detections.masks[place].counts if detections.masks else b"", _pixels(box))
                for prompt, detections in zip(PROMPTS, found, strict=True)
                for place, box in enumerate(detections.xyxy.tolist())
            )
        return self._shapes[frame.image_sha256]


def shape_of(annotation: Annotation) -> Shape:
    """A stored annotation in the same terms."""
    mask = annotation.mask.counts if annotation.mask else b""
    return annotation.class_name, mask, _pixels(annotation.bbox_xyxy)


def _pixels(box: "tuple[float, ...] | list[float]") -> tuple[int, ...]:
    return tuple(round(side) for side in box)
