"""From the raw outputs of SAM 3 to detections, one mask at a time.

The post-processing of transformers resizes all masks of a prompt to the frame together and
returns them as int64: 16.6 MB each at 1080p. Here the scores decide first, and each mask that
stays is resized, cut at the threshold and turned into run lengths before the next one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.geometry import clip_xyxy
from komadori.core.types import Detections


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """Which detections stay, and which pixels belong to them.

    Attributes:
        score_threshold: Detections below it are left out, in [0, 1].
        mask_threshold: Pixels whose probability is above it belong to the mask.
        duplicate_iou: Of two masks of one prompt that overlap more than this, the one with the higher
            score stays; None keeps both.
    """

    score_threshold: float
    mask_threshold: float
    duplicate_iou: float | None


def read_detections(
    outputs: Any, row: int, *, size_hw: tuple[int, int], class_name: str, rules: DetectionRules
) -> Detections:
    """The detections of one prompt in one image, best first, without empty masks.

    Args:
        outputs: A ``Sam3ImageSegmentationOutput``.
        row: The prompt's place in the batch.
        size_hw: Height and width of the image.
        class_name: What all detections of the prompt are called.
        rules: Which detections stay.
    """
    scores = outputs.pred_logits[row].float().sigmoid() * outputs.presence_logits[row].float().sigmoid()
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[scores[order] >= rules.score_threshold]
    probabilities = outputs.pred_masks[row][order].float().sigmoid()
    if rules.duplicate_iou is not None:
        is_kept = ~_is_duplicate(probabilities > rules.mask_threshold, rules.duplicate_iou)
        chosen = torch.from_numpy(is_kept).to(order.device)
        order, probabilities = order[chosen], probabilities[chosen]
    rles, is_visible = _encode_masks(probabilities, size_hw, rules.mask_threshold)
    return Detections(
        xyxy=_boxes_px(outputs.pred_boxes[row][order], size_hw)[is_visible],
        confidence=scores[order].cpu().numpy()[is_visible],
        masks=rles,
        class_names=[class_name] * len(rles),
    )


def _is_duplicate(found: torch.Tensor, limit: float) -> NDArray[np.bool_]:
    """For each of N masks (N, h, w) bool, best first, whether one that stays overlaps it too much.

    The overlaps are measured at the model's own resolution, which is much smaller than a frame.
    """
    pixels = found.flatten(1).float()
    overlaps = pixels @ pixels.T
    areas = overlaps.diagonal()
    unions = areas[:, None] + areas[None, :] - overlaps
    is_too_close = (overlaps > limit * unions).cpu().numpy()
    is_duplicate = np.zeros(len(found), np.bool_)
    for position in range(1, len(found)):
        is_duplicate[position] = is_too_close[position, :position][~is_duplicate[:position]].any()
    return is_duplicate


def _encode_masks(
    probabilities: torch.Tensor, size_hw: tuple[int, int], threshold: float
) -> tuple[list[masks.Rle], NDArray[np.bool_]]:
    """Run lengths of the masks (N, h, w) that have a pixel in the frame, and which of the N those are."""
    rles = []
    is_visible = np.zeros(len(probabilities), np.bool_)
    for position, probability in enumerate(probabilities):
        resized = torch.nn.functional.interpolate(
            probability[None, None], size=size_hw, mode="bilinear", align_corners=False
        )
        mask = (resized[0, 0] > threshold).cpu().numpy()
        is_visible[position] = mask.any()
        if is_visible[position]:
            rles.append(masks.encode(mask))
    return rles, is_visible


def _boxes_px(relative_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    height, width = size_hw
    scale = np.array([width, height, width, height], np.float32)
    return clip_xyxy(relative_xyxy.float().cpu().numpy() * scale, size_hw)
