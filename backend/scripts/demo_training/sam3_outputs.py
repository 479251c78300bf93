"""Asks the model, and takes from it what every layer of the decoder says."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from scripts.demo_training.sam3_batches import Batch
from torch import Tensor

from komadori.ml import torchvision_shim

torchvision_shim.install()

from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput  # noqa: E402


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the model says of N questions with Q queries in L decoder layers.

    Attributes:
        logits: (L, N, Q) of each query.
        boxes: (L, N, Q, 4) cxcywh in 0 to 1.
        presence: (L, N) logits.
        masks: (N, Q, h, w) logits of the last layer.
        semantic: (N, h, w) logits.
    """

    logits: Tensor
    boxes: Tensor
    presence: Tensor
    masks: Tensor
    semantic: Tensor


def see(model: Any, pixels: Tensor) -> Any:
    """The model's features of the pictures."""
    return model.vision_encoder(pixels)


def ask(model: Any, vision: Any, batch: Batch) -> Outputs:
    """What the model says to every question, in every layer."""
    repeated = Sam3VisionEncoderOutput(
        last_hidden_state=vision.last_hidden_state,
        fpn_hidden_states=tuple(level[batch.picture_of] for level in vision.fpn_hidden_states),
        fpn_position_encoding=tuple(
            level.expand(len(batch.pixels), -1, -1, -1)[batch.picture_of]
            for level in vision.fpn_position_encoding
        ),
    )
    seen: dict[str, Any] = {}
    with ExitStack() as stack:
        for name in ("detr_decoder", "dot_product_scoring"):
            layer = getattr(model, name)
            handle = layer.register_forward_hook(
                lambda _l, _i, output, name=name: seen.update({name: output})
            )
            stack.callback(handle.remove)
        said = model(vision_embeds=repeated, **batch.inputs)
    decoded = seen["detr_decoder"]
    offsets = model.detr_decoder.box_head(decoded.intermediate_hidden_states)
    before = torch.logit(decoded.reference_boxes, eps=1e-3)
    return Outputs(
        logits=seen["dot_product_scoring"].squeeze(-1),
        boxes=(before + offsets).sigmoid(),
        presence=decoded.presence_logits.squeeze(-1),
        masks=said.pred_masks,
        semantic=said.semantic_seg[:, 0],
    )
