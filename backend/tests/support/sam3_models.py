"""SAM 3 and its tracker called the plain way, and a count of what the encoders do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.masks import Rle
from komadori.core.types import ClickPrompt, ConceptPrompt, Image
from komadori.ml import torchvision_shim
from komadori.ml.segmenters.sam3 import Sam3Segmenter, create
from tests.support import checkpoints

torchvision_shim.install()

from transformers import (  # noqa: E402
    Sam3Model,
    Sam3Processor,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
)


def untrained_segmenter(source: Path = checkpoints.SAM3, **options: Any) -> Sam3Segmenter:
    """An untrained checkpoint in float32, which gives the same numbers on every machine."""
    segmenter = create(source, **{"dtype": torch.float32, **options})
    assert isinstance(segmenter, Sam3Segmenter)
    return segmenter


@dataclass(frozen=True)
class PlainResult:
    """What the plain call gives, best first: boxes (N, 4) px, scores (N,), masks (N, H, W)."""

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    masks: NDArray[np.bool_]


class PlainSam3:
    """One image and one prompt at a time, as the documentation of transformers shows it."""

    def __init__(self, directory: Path) -> None:
        self.model = Sam3Model.from_pretrained(directory, dtype=torch.float32).eval()
        self.processor = Sam3Processor.from_pretrained(directory)

    def __call__(self, image: Image, prompt: ConceptPrompt, score_threshold: float = 0.0) -> PlainResult:
        """All detections of the post-processing of transformers, sorted, empty masks included."""
        boxes = {}
        if len(prompt.boxes_xyxy):
            boxes = {
                "input_boxes": [prompt.boxes_xyxy.tolist()],
                "input_boxes_labels": [prompt.box_is_positive.astype(int).tolist()],
            }
        inputs = self.processor(images=image, text=prompt.text, return_tensors="pt", **boxes)
        with torch.inference_mode():
            outputs = self.model(**inputs)
        [found] = self.processor.post_process_instance_segmentation(
            outputs, threshold=score_threshold, mask_threshold=0.5, target_sizes=[image.shape[:2]]
        )
        order = torch.argsort(found["scores"], descending=True, stable=True)
        return PlainResult(
            xyxy=found["boxes"][order].numpy(),
            confidence=found["scores"][order].numpy(),
            masks=found["masks"][order].bool().numpy(),
        )


class PlainTracker:
    """One image and one prompt at a time, as the documentation of transformers shows it."""

    def __init__(self, directory: Path) -> None:
        self.model = Sam3TrackerModel.from_pretrained(directory, dtype=torch.float32)
        self.processor = Sam3TrackerProcessor(Sam3Processor.from_pretrained(directory).image_processor)

    def __call__(self, image: Image, prompt: ClickPrompt) -> tuple[NDArray[np.bool_], float]:
        """The best mask (H, W) and its score; one point gives three masks to choose from."""
        points = prompt.points_xy.tolist()
        inputs = self.processor(
            images=image,
            input_points=[[points]] if points else None,
            input_labels=[[prompt.point_is_positive.astype(int).tolist()]] if points else None,
            input_boxes=None if prompt.box_xyxy is None else [[prompt.box_xyxy.tolist()]],
            return_tensors="pt",
        )
        sizes = inputs.pop("original_sizes")
        if prompt.mask is not None:
            inputs["input_masks"] = self._logits(prompt.mask)
        is_one_point = len(points) == 1 and prompt.box_xyxy is None and prompt.mask is None
        with torch.inference_mode():
            outputs = self.model(**inputs, multimask_output=is_one_point)
        best = int(outputs.iou_scores[0, 0].argmax())
        [found] = self.processor.post_process_masks(outputs.pred_masks, sizes)
        return found[0, best].numpy(), float(outputs.iou_scores[0, 0, best])

    def _logits(self, mask: Rle) -> torch.Tensor:
        """10 in the mask and -10 beside it; the model makes it smaller by itself."""
        pixels = torch.from_numpy(np.ascontiguousarray(masks.decode(mask))).float()
        return pixels[None, None] * 20 - 10


@dataclass
class EncoderCalls:
    """How many pictures and texts went through the encoders."""

    images: int = 0
    texts: int = 0


@contextmanager
def encoder_calls(segmenter: Sam3Segmenter) -> Iterator[EncoderCalls]:
    """Count the real passes through the two encoders of the model."""
    calls = EncoderCalls()

    def count_images(_module: Any, _inputs: Any, output: Any) -> None:
        calls.images += len(output.fpn_hidden_states[0])

    def count_texts(_module: Any, _inputs: Any, output: Any) -> None:
        calls.texts += len(output.last_hidden_state)

    model = segmenter._model
    handles = [
        model.vision_encoder.register_forward_hook(count_images),
        model.text_encoder.register_forward_hook(count_texts),
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def ious(a: Sequence[NDArray[np.bool_]], b: Sequence[NDArray[np.bool_]]) -> list[float]:
    """The overlap of each mask with its partner; masks with no pixel at all are not expected."""
    return [float((x & y).sum() / (x | y).sum()) for x, y in zip(a, b, strict=True)]
