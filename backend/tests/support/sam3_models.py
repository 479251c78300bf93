"""SAM 3 called the plain way, a checkpoint with a tracker, and a count of what the encoders do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core.types import ConceptPrompt, Image
from komadori.ml import torchvision_shim
from komadori.ml.segmenters.sam3 import Sam3Segmenter, create
from tests.support import checkpoints

torchvision_shim.install()

from transformers import (  # noqa: E402
    Sam2VideoVideoProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3VideoConfig,
    Sam3VideoModel,
    Sam3VideoProcessor,
)


def untrained_segmenter(**options: Any) -> Sam3Segmenter:
    """The untrained checkpoint in float32, which gives the same numbers on every machine."""
    segmenter = create(checkpoints.SAM3, **{"dtype": torch.float32, **options})
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


def save_with_tracker(directory: Path) -> None:
    """Save the untrained model's weights the way the published checkpoint holds them: beside a tracker.

    The tracker's own weights are random.
    """
    source = checkpoints.SAM3
    detector = Sam3Model.from_pretrained(source, dtype=torch.float32)
    config = Sam3VideoConfig(
        detector_config=detector.config.to_dict(), tracker_config=_tracker_config(), low_res_mask_size=32
    )
    model = Sam3VideoModel(config)
    model.detector_model.load_state_dict(detector.state_dict())
    model.save_pretrained(directory)
    processor = Sam3Processor.from_pretrained(source)
    Sam3VideoProcessor(
        processor.image_processor, Sam2VideoVideoProcessor(), processor.tokenizer
    ).save_pretrained(directory)


def _tracker_config() -> dict[str, Any]:
    """A tracker of the right class with small parts; it is saved and never run."""
    return {
        "model_type": "sam3_tracker_video",
        "image_size": 64,
        "mask_decoder_config": {"mlp_dim": 64, "iou_head_hidden_dim": 64},
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_fuser_num_layers": 1,
        "memory_fuser_intermediate_dim": 64,
    }


def ious(a: Sequence[NDArray[np.bool_]], b: Sequence[NDArray[np.bool_]]) -> list[float]:
    """The overlap of each mask with its partner; masks with no pixel at all are not expected."""
    return [float((x & y).sum() / (x | y).sum()) for x, y in zip(a, b, strict=True)]
