"""What the small SAM 3 is trained by: a set loss in the manner of DETR, written for this model's outputs.

Every question's predictions are matched one to one with the instances that answer it (Carion et al.,
"End-to-End Object Detection with Transformers", 2020). The last decoder layer learns from that match.
The layers before it learn from a looser one, in which several queries share an instance (Jia et al.,
"DETRs with Hybrid Matching", 2022): it teaches them faster, and the last layer then picks one of them.
"""

import torch
from scipy.optimize import linear_sum_assignment
from scripts.demo_training.sam3_batches import Answers
from scripts.demo_training.sam3_outputs import Outputs
from torch import Tensor
from torch.nn import functional

DOUBLE = 0.6
"""From this overlap with an instance on, a query that is not matched with it is not wrong either."""

SHARED_BY = 3
"""How many queries share an instance in the looser match."""

WEIGHTS = {
    "score": 2.0,
    "presence": 1.0,
    "box": 5.0,
    "giou": 3.0,
    "mask": 3.0,
    "dice": 3.0,
    "semantic": 2.0,
    "semantic_dice": 1.0,
}


def set_loss(outputs: Outputs, answers: Answers) -> dict[str, Tensor]:
    """The parts of the loss, without their weights."""
    n_layers = len(outputs.logits)
    parts: dict[str, list[Tensor]] = {name: [] for name in WEIGHTS}
    present = torch.tensor([float(len(boxes) > 0) for boxes in answers.boxes], device=outputs.logits.device)
    for layer in range(n_layers):
        is_last = layer == n_layers - 1
        rows, queries, targets = _match(outputs, answers, layer, 1 if is_last else SHARED_BY)
        wanted = torch.zeros_like(outputs.logits[layer])
        wanted[rows, queries] = 1.0
        weight = torch.where(wanted > 0, 1.0, 0.5)
        if is_last:
            weight = torch.where((wanted == 0) & _doubles(outputs.masks, answers), 0.0, weight)
        scores = functional.binary_cross_entropy_with_logits(
            outputs.logits[layer], wanted, weight, reduction="sum"
        )
        parts["score"].append(scores / max(1, len(rows)))
        parts["presence"].append(
            functional.binary_cross_entropy_with_logits(outputs.presence[layer], present)
        )
        if len(rows):
            true_boxes = torch.stack(
                [answers.boxes[row][target] for row, target in zip(rows, targets, strict=True)]
            )
            found = outputs.boxes[layer][rows, queries]
            parts["box"].append((found - true_boxes).abs().sum(-1).mean())
            parts["giou"].append((1 - _giou(found, true_boxes)).mean())
        if is_last and len(rows):
            true_masks = torch.stack(
                [answers.masks[row][target] for row, target in zip(rows, targets, strict=True)]
            )
            drawn = _enlarged(outputs.masks[rows, queries][:, None], true_masks.shape[-2:])[:, 0]
            parts["mask"].append(_balanced_bce(drawn, true_masks))
            parts["dice"].append(_dice(drawn, true_masks))
    union = torch.stack([_union(masks) for masks in answers.masks])
    semantic = _enlarged(outputs.semantic[:, None], union.shape[-2:])[:, 0]
    parts["semantic"].append(_balanced_bce(semantic, union))
    if present.any():
        parts["semantic_dice"].append(_dice(semantic[present > 0], union[present > 0]))
    return {name: torch.stack(values).mean() for name, values in parts.items() if values}


def weighted(parts: dict[str, Tensor]) -> Tensor:
    """The sum of the parts, each times its weight."""
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()


def _match(
    outputs: Outputs, answers: Answers, layer: int, shared_by: int
) -> tuple[Tensor, Tensor, list[int]]:
    """Which query of which question answers for which instance; the cheapest assignment.

    Returns:
        (M,) questions, (M,) queries, and the M instances.
    """
    rows: list[int] = []
    queries: list[int] = []
    targets: list[int] = []
    for row, true_boxes in enumerate(answers.boxes):
        if not len(true_boxes):
            continue
        with torch.no_grad():
            cost = _cost(outputs, answers, layer, row, with_masks=shared_by == 1)
        n_times = min(shared_by, cost.shape[0] // len(true_boxes))
        chosen, instances = linear_sum_assignment(cost.repeat(1, max(1, n_times)).cpu().numpy())
        rows += [row] * len(chosen)
        queries += chosen.tolist()
        targets += (instances % len(true_boxes)).tolist()
    device = outputs.logits.device
    return torch.tensor(rows, device=device), torch.tensor(queries, device=device), targets


def _doubles(masks: Tensor, answers: Answers) -> Tensor:
    """(N, Q) whether a query draws an instance well.

    A second query that does is neither right nor wrong: of two such, the pipeline keeps the surer one.
    """
    found = torch.zeros(masks.shape[:2], dtype=torch.bool, device=masks.device)
    for row, truth in enumerate(answers.masks):
        if len(truth):
            small = functional.adaptive_avg_pool2d(truth[None], masks.shape[-2:])[0].flatten(1) > 0.5
            drawn = masks[row].flatten(1) > 0
            inner = drawn.float() @ small.float().T
            union = drawn.sum(1)[:, None] + small.sum(1)[None] - inner
            found[row] = (inner / union.clamp(min=1) > DOUBLE).any(1)
    return found


def _cost(outputs: Outputs, answers: Answers, layer: int, row: int, *, with_masks: bool) -> Tensor:
    """(Q, T): how badly each query answers for each instance."""
    true_boxes, found = answers.boxes[row], outputs.boxes[layer][row]
    cost = -2.0 * outputs.logits[layer][row].sigmoid()[:, None].expand(-1, len(true_boxes))
    cost = cost + 4.0 * torch.cdist(found, true_boxes, p=1)
    cost = cost - 2.0 * _giou(found[:, None], true_boxes[None])
    if with_masks:
        small = functional.adaptive_avg_pool2d(answers.masks[row][None], outputs.masks.shape[-2:])[0]
        drawn = outputs.masks[row].sigmoid().flatten(1)
        true = small.flatten(1)
        overlap = 2 * drawn @ true.T + 1
        cost = cost + 3.0 * (1 - overlap / (drawn.sum(1)[:, None] + true.sum(1)[None] + 1))
    return cost


def _giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union of boxes (..., 4) cxcywh, in -1 to 1."""
    a_low, a_high = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b_low, b_high = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    inner = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(-1)
    outer = (torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)).prod(-1).clamp(min=1e-6)
    union = (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inner).clamp(min=1e-6)
    return inner / union - (outer - union) / outer


def _enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 1, h, w) at the size of the truth, in the way in which results are brought to a frame's size."""
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _balanced_bce(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy a pixel, averaged over each mask, then over masks."""
    return (
        functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((1, 2)).mean() * 4
    )


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    """One minus the Dice coefficient of each mask, averaged."""
    drawn = logits.sigmoid()
    overlap = 2 * (drawn * truth).sum((1, 2)) + 1
    return (1 - overlap / (drawn.sum((1, 2)) + truth.sum((1, 2)) + 1)).mean()


def _union(masks: Tensor) -> Tensor:
    return masks.amax(0) if len(masks) else masks.new_zeros(masks.shape[-2:])
