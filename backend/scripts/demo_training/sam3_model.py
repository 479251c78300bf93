"""The small SAM 3: its sizes, and the weights that its training starts from."""

from typing import Any

import torch
from torch import Tensor, nn

from komadori.ml import torchvision_shim

torchvision_shim.install()

from scripts.demo_training.tokenizers import text_sizes  # noqa: E402
from transformers import Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor  # noqa: E402

SIDE = 96
"""Width and height of the pictures that the model sees, in pixels."""

PATCH = 8
GRID = SIDE // PATCH
MASK_SIDE = 4 * GRID
"""Width and height of the masks that the model draws."""

WIDTH = 128
"""Of the vision encoder."""

HIDDEN = 64
"""Of everything behind it."""

N_ANCHORS = 4
"""Queries stand on a grid of this many rows and columns."""


def build(tokenizer: Any) -> tuple[Any, Any]:
    """The model with its starting weights, drawn from torch's random state, and its processor."""
    model = Sam3Model(_config(tokenizer))
    _tell_places_apart(model)
    _place_anchors(model)
    _look_into_boxes(model)
    images = Sam3ImageProcessor(
        size={"height": SIDE, "width": SIDE},
        mask_size={"height": MASK_SIDE, "width": MASK_SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return model, Sam3Processor(images, tokenizer)


def _config(tokenizer: Any) -> Any:
    layer = {"hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN, "num_attention_heads": 4, "dropout": 0.0}
    return Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": WIDTH,
                "intermediate_size": 3 * WIDTH,
                "num_hidden_layers": 4,
                "num_attention_heads": 4,
                "image_size": SIDE,
                "pretrain_image_size": SIDE,
                "patch_size": PATCH,
                "window_size": GRID // 2,
                "global_attn_indexes": [1, 3],
            },
            "fpn_hidden_size": HIDDEN,
            "backbone_feature_sizes": [[4 * GRID] * 2, [2 * GRID] * 2, [GRID] * 2],
        },
        text_config={
            "model_type": "clip_text_model",
            "hidden_size": HIDDEN,
            "intermediate_size": 2 * HIDDEN,
            "projection_dim": HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        }
        | text_sizes(tokenizer),
        geometry_encoder_config=layer | {"num_layers": 1, "roi_size": 3},
        detr_encoder_config=layer | {"num_layers": 2},
        detr_decoder_config=layer | {"num_layers": 3, "num_queries": N_ANCHORS**2},
        mask_decoder_config={"hidden_size": HIDDEN, "num_attention_heads": 4, "num_upsampling_stages": 2},
    )


def _tell_places_apart(model: Any) -> None:
    """Let every patch begin with waves of its place.

    Without them the features do not say where they are, and two like things cannot be told apart.
    """
    y, x = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    places = torch.stack([x, y], -1).reshape(-1, 2, 1) / GRID
    angles = places * torch.pi * 2.0 ** (torch.arange(WIDTH // 4) / (WIDTH // 4) * 3.0)
    waves = torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)
    model.vision_encoder.backbone.embeddings.position_embeddings.data.copy_(0.2 * waves[None])


def _place_anchors(model: Any) -> None:
    """Let the queries begin as boxes on a grid; the default puts all of them at one place."""
    decoder = model.detr_decoder
    centres = cell_centres(N_ANCHORS)
    boxes = torch.cat([centres, torch.full_like(centres, 1.2 / N_ANCHORS)], dim=1)
    decoder.reference_points.weight.data.copy_(torch.logit(boxes))
    decoder.query_embed.weight.data.normal_(std=0.5)
    _zero(decoder.box_head.layer3)


def _look_into_boxes(model: Any) -> None:
    """Let the decoder's heads look into each query's box from the start, some of them wider than others.

    The bias of a place is a small network of its distances to two edges; two of its hidden units
    become the distance outside either edge, and the output layer takes them off.
    """
    decoder = model.detr_decoder
    strengths = torch.tensor([1.0, 3.0, 6.0, 9.0])
    for network in (decoder.box_rpb_embed_x, decoder.box_rpb_embed_y):
        first, last = network.layer1, network.layer2
        first.weight.data[:2] = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
        first.bias.data[:2] = 0.0
        last.weight.data[:, :2] = -strengths[:, None]
        last.bias.data.zero_()


def _zero(layer: nn.Linear) -> None:
    layer.weight.data.zero_()
    layer.bias.data.zero_()


def cell_centres(n: int) -> Tensor:
    """(n * n, 2) x and y of the middle of each cell of a grid, in 0 to 1, row by row."""
    line = (torch.arange(n) + 0.5) / n
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def boxes_to_cxcywh(xyxy: Tensor) -> Tensor:
    """(..., 4) corners as centre and size."""
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)
