"""Measures that follow a training of the small SAM 3 while it runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scripts.demo_training.sam3_batches import Batch
from scripts.demo_training.sam3_model import SIDE
from scripts.demo_training.sam3_outputs import ask, see
from torch import Tensor
from torch.nn import functional

SURE = 0.5
"""From this score on, something counts as found."""

FITS = 0.5
"""From this overlap on, what was found is what was meant."""


def quick_measures(model: Any, batches: Sequence[Batch]) -> dict[str, float]:
    """Of held-out pictures at the model's own size, without boxes: no substitute for the adapter's figures.

    Returns:
        ``mean_iou`` of what fits, ``recall`` and ``precision`` of instances, ``presence_right``: how often
        the model knows whether there is any, ``semantic_iou`` of the union of instances.
    """
    overlaps: list[float] = []
    unions: list[float] = []
    presence: list[bool] = []
    n_true = n_found = 0
    with torch.no_grad():
        for batch in batches:
            outputs = ask(model, see(model, batch.pixels), batch)
            scores = outputs.logits[-1].sigmoid() * outputs.presence[-1].sigmoid()[:, None]
            drawn, areas = _at_full_size(outputs.masks), _at_full_size(outputs.semantic[:, None])[:, 0]
            for row, truth in enumerate(batch.answers.masks):
                found = _without_doubles(drawn[row], scores[row])
                presence.append(bool(outputs.presence[-1][row] > 0) == (len(truth) > 0))
                n_found += len(found)
                n_true += len(truth)
                if len(truth):
                    unions.append(float(_ious(areas[row][None].float(), truth.amax(0)[None])[0, 0]))
                    overlaps += [iou for iou in _matched(_ious(found, truth)) if iou >= FITS]
    return {
        "mean_iou": _mean(overlaps),
        "recall": round(len(overlaps) / max(1, n_true), 4),
        "precision": round(len(overlaps) / max(1, n_found), 4),
        "presence_right": _mean(presence),
        "semantic_iou": _mean(unions),
    }


def _without_doubles(drawn: Tensor, scores: Tensor) -> Tensor:
    """(K, H, W) the masks that are sure enough, the surer of two that share half of their union."""
    order = [number for number in scores.argsort(descending=True).tolist() if scores[number] > SURE]
    masks = drawn[order].float()
    ious = _ious(masks, masks)
    kept: list[int] = []
    for number in range(len(order)):
        if all(ious[number, other] < FITS for other in kept):
            kept.append(number)
    return masks[kept]


def _at_full_size(logits: Tensor) -> Tensor:
    return functional.interpolate(logits, size=(SIDE, SIDE), mode="bilinear") > 0


def _ious(a: Tensor, b: Tensor) -> NDArray[np.float32]:
    """(A, B) intersection over union of masks (A, H, W) and (B, H, W) of 0 and 1."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    inner = flat_a @ flat_b.T
    union = flat_a.sum(1)[:, None] + flat_b.sum(1)[None] - inner
    ious: NDArray[np.float32] = (inner / union.clamp(min=1)).cpu().numpy()
    return ious


def _matched(ious: NDArray[np.float32]) -> list[float]:
    return [float(iou) for iou in ious[linear_sum_assignment(-ious)]]


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values or [0.0])), 4)
