"""The demo's SigLIP model, what it is trained to minimise, and with which optimizers."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from komadori.ml import torchvision_shim

torchvision_shim.install()

from scripts.demo_training.siglip_scenes import IMAGE_SIZE, PATCH_SIZE  # noqa: E402
from scripts.demo_training.tokenizers import text_sizes  # noqa: E402
from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor  # noqa: E402

FIRST_BIAS = -4.0
"""The logit of a text about a picture before anything is learnt: few texts are true of a picture."""


def new_model(tokenizer: Any) -> Any:
    """A SiglipModel of 1.1 million weights, random from torch's seed."""
    model = SiglipModel(_config(tokenizer))
    model.logit_scale.data.fill_(math.log(10.0))
    model.logit_bias.data.fill_(FIRST_BIAS)
    return model


def processor(tokenizer: Any) -> SiglipProcessor:
    """What prepares pictures and texts for the model, for people who use it with transformers."""
    images = SiglipImageProcessor(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        resample=2,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return SiglipProcessor(images, tokenizer)


def contrastive_loss(logits: Tensor, is_true: Tensor) -> Tensor:
    """The sigmoid loss over all pairs of (N, C) pictures and captions, for each picture."""
    losses = functional.binary_cross_entropy_with_logits(logits, is_true.to(logits.dtype), reduction="none")
    return losses.sum(dim=1).mean() / 4.0


def patch_loss(logits: Tensor, pixels: Tensor) -> Tensor:
    """The cross entropy of what patches show, where patches without any thing count for little.

    Args:
        logits: (N, P, K + 1) for P patches and K kinds, the last for everything else.
        pixels: (N, P, K + 1) uint8, how many pixels of the patch show each.
    """
    shares = pixels.to(logits.dtype) / PATCH_SIZE**2
    weights = 1.15 - shares[..., -1]
    losses = -(shares * logits.log_softmax(dim=-1)).sum(dim=-1)
    return (losses * weights).sum() / weights.sum()


def new_optimizers(
    modules: Sequence[nn.Module], *, learning_rate: float, matrix_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the towers, AdamW for tables, first and last layers and vectors.

    Over steps 51 to 100 the loss of patches is 1.43 on average, and 1.73 with AdamW for everything. The
    rates are the highest; ``set_rates`` sets the share of them.
    """
    named = [pair for module in modules for pair in module.named_parameters()]
    inner = {name for name, p in named if p.dim() == 2 and (".layers." in name or ".mlp." in name)}
    outer = [(name, p) for name, p in named if name not in inner]
    decayed = [p for name, p in outer if p.dim() >= 2 and "position" not in name]
    plain = [p for name, p in outer if p.dim() < 2 or "position" in name]
    groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, learning_rate, (0.9, 0.98), weight_decay=weight_decay)
    matrices = [p for name, p in named if name in inner]
    muon = torch.optim.Muon(matrices, matrix_rate, weight_decay=weight_decay)
    for group in (*adam.param_groups, *muon.param_groups):
        group["initial_lr"] = group["lr"]
    return [adam, muon]


def set_rates(optimizers: Sequence[torch.optim.Optimizer], share: float) -> None:
    """Set all learning rates to this share of the highest."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * share


def _config(tokenizer: Any) -> SiglipConfig:
    return SiglipConfig(
        text_config={
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "projection_size": 128,
        }
        | text_sizes(tokenizer),
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH_SIZE,
        },
    )
