"""How learning rates rise and fall, and how the weights that are kept follow those that learn."""

import math

import torch
from torch import nn


def share_of_rate(step: int, n_steps: int, warm_up: int, *, end: float = 0.0) -> float:
    """The share of the highest learning rate: a straight rise, then half a cosine down to ``end``."""
    if step < warm_up:
        return step / warm_up
    done = (step - warm_up) / max(1, n_steps - warm_up)
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * done))


def move_mean(mean: nn.Module, now: nn.Module, step: int, *, most_kept: float, ease: int) -> None:
    """Move the running mean of the weights towards those of now.

    Args:
        mean: Is changed.
        now: Of the same shape.
        step: From 1.
        most_kept: The share of the mean that stays, later on.
        ease: At the start less stays: half of it at this step.
    """
    kept = min(most_kept, step / (step + ease))
    with torch.no_grad():
        for old, new in zip(mean.parameters(), now.parameters(), strict=True):
            old.lerp_(new, 1.0 - kept)
