"""Makes the small untrained checkpoints with which tests run the real model classes.

    cd backend && python -m scripts.make_untrained_models [--out FOLDER] [--seed N]

Four folders in the layout of transformers, of the very classes that the real checkpoints use:
``siglip2-untrained`` (SiglipModel, like google/siglip2-base-patch16-224), ``siglip2-naflex-untrained``
(Siglip2Model, like google/siglip2-base-patch16-naflex), ``sam3-untrained`` (Sam3Model, the part of
facebook/sam3 that finds concepts) and ``sam3-tracker-untrained`` (Sam3VideoModel, which has the tracker
as well, and so answers clicks).

Their weights are random from a seed; then a few biases and output layers are set from what the random
networks give for synthetic pictures, so that the outputs have the statistics of a working model:
vectors of different inputs differ, and a handful of compact masks come out of any frame for any
prompt, which is what tests of adapters and jobs need. Whether a vector or a mask has to do with the
words is chance.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from komadori.ml import torchvision_shim

torchvision_shim.install()

from scripts.demo_training.sam3_model import cell_centres  # noqa: E402
from scripts.demo_training.tokenizers import (  # noqa: E402
    SAM3_LENGTH,
    SIGLIP_LENGTH,
    clip_tokenizer,
    gemma_style_tokenizer,
    text_sizes,
)
from scripts.untrained_words import SENTENCES, WORDS  # noqa: E402
from transformers import (  # noqa: E402
    GemmaTokenizer,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3VideoConfig,
    Sam3VideoModel,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Processor,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
)
from transformers.utils import logging as transformers_logging  # noqa: E402

FOLDER = Path(__file__).parents[1] / "tests" / "checkpoints"
SEED = 20260228

LOOK_SHARPNESS = 6.0
"""How far the pooling heads of the SigLIP models keep to their part of the picture."""

LICENCE_LINE = "Made by Komadori's scripts/make_untrained_models.py; Apache-2.0, like the project."


def main() -> None:
    """Write the four checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the folders go")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums over threads differ from run to run in the last bit
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name, make in MAKERS.items():
        make(arguments.out / name, arguments.seed)
        size = sum(path.stat().st_size for path in (arguments.out / name).iterdir())
        print(f"{arguments.out / name}: {size / 1e6:.2f} MB")


def make_siglip(folder: Path, seed: int) -> None:
    """A SiglipModel for pictures of 64 x 64 with its processor."""
    tokenizer = _gemma_style_tokenizer(GemmaTokenizer)
    tower = _tower_sizes()
    config = SiglipConfig(
        text_config=tower | text_sizes(tokenizer),
        vision_config=tower | {"image_size": 64, "patch_size": 8},
    )
    images = SiglipImageProcessor(
        size={"height": 64, "width": 64}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    with _seeded(seed):
        model = SiglipModel(config).eval()
        _set_siglip_outputs(model, tokenizer, {"pixel_values": _pictures(64, 64)})
    _save(folder, model, SiglipProcessor(images, tokenizer), "SiglipModel, 64 x 64 pixels")


def make_siglip_naflex(folder: Path, seed: int) -> None:
    """A Siglip2Model for up to 64 patches of 8 x 8 in the picture's own aspect ratio."""
    tokenizer = _gemma_style_tokenizer(Siglip2Tokenizer)
    tower = _tower_sizes()
    config = Siglip2Config(
        text_config=tower | text_sizes(tokenizer),
        vision_config=tower | {"patch_size": 8, "num_patches": 64},
    )
    images = Siglip2ImageProcessor(patch_size=8, max_num_patches=64)
    with _seeded(seed):
        model = Siglip2Model(config).eval()
        pictures = [(picture * 127.5 + 127.5).byte() for picture in _pictures(64, 96)]
        inputs = images(pictures, patch_size=8, max_num_patches=64, return_tensors="pt")
        _set_siglip_outputs(model, tokenizer, dict(inputs))
    _save(folder, model, Siglip2Processor(images, tokenizer), "Siglip2Model (NaFlex), up to 64 patches")


def make_sam3(folder: Path, seed: int) -> None:
    """A Sam3Model for pictures of 64 x 64 with 12 object queries, and its processor."""
    tokenizer = clip_tokenizer(WORDS, 1000)
    with _seeded(seed):
        model = Sam3Model(_sam3_config(tokenizer)).eval()
        _spread_random_weights(model)
        _place_anchors(model)
        inputs = _sam3_inputs(tokenizer)
        _set_scores(model, lambda: model(**inputs))
        _fit_masks(model, inputs)
    images = Sam3ImageProcessor(
        size={"height": 64, "width": 64}, mask_size={"height": 32, "width": 32}, image_mean=[0.5] * 3
    )
    _save(folder, model, Sam3Processor(images, tokenizer), "Sam3Model, 64 x 64 pixels, 12 queries")


def make_sam3_tracker(folder: Path, seed: int) -> None:
    """A Sam3VideoModel for pictures of 64 x 64, half as wide as the other, and its processor."""
    tokenizer = clip_tokenizer(WORDS, 1000)
    detector = _sam3_config(tokenizer, width=32)
    with _seeded(seed):
        config = Sam3VideoConfig(
            detector_config=detector.to_dict(),
            tracker_config=_tracker_config(detector.vision_config.to_dict()),
            low_res_mask_size=32,
        )
        model = Sam3VideoModel(config).eval()
        _spread_random_weights(model)
        _let_all_of_it_count(model.tracker_model)
    images = Sam3ImageProcessor(
        size={"height": 64, "width": 64}, mask_size={"height": 32, "width": 32}, image_mean=[0.5] * 3
    )
    _save(folder, model, Sam3Processor(images, tokenizer), "Sam3VideoModel, 64 x 64 pixels")
    _name_once(folder / "model.safetensors")


MAKERS: dict[str, Callable[[Path, int], None]] = {
    "siglip2-untrained": make_siglip,
    "siglip2-naflex-untrained": make_siglip_naflex,
    "sam3-untrained": make_sam3,
    "sam3-tracker-untrained": make_sam3_tracker,
}


# SigLIP


def _tower_sizes() -> dict[str, Any]:
    return {
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
    }


def _gemma_style_tokenizer(kind: type[Any]) -> Any:
    return gemma_style_tokenizer(SENTENCES, 700, kind, is_split_at_spaces=False)


def _set_siglip_outputs(model: Any, tokenizer: Any, image_inputs: dict[str, Tensor]) -> None:
    """Make vectors tell pictures apart by where their colours are, and centre both towers' vectors.

    At random weights all vectors share one large part, and the pooling sees the mean colour only: each
    of its heads gets a part of the picture to look at.
    """
    width = model.config.vision_config.hidden_size
    phases = cell_centres(8) @ torch.randn(2, width // 2) * 4.0
    positions = model.vision_model.embeddings.position_embedding
    positions.weight.data.copy_(torch.cat([phases.sin(), phases.cos()], dim=1))
    model.vision_model.head.probe.data.normal_(std=LOOK_SHARPNESS)
    texts = tokenizer(SENTENCES, padding="max_length", max_length=SIGLIP_LENGTH, return_tensors="pt")
    model.vision_model.head.mlp.fc2.bias.data -= model.get_image_features(**image_inputs).pooler_output.mean(
        0
    )
    model.text_model.head.bias.data -= model.get_text_features(texts["input_ids"]).pooler_output.mean(0)
    model.logit_scale.data.fill_(math.log(10.0))
    model.logit_bias.data.fill_(-10.0)


# SAM 3


def _sam3_config(tokenizer: Any, width: int = 64) -> Sam3Config:
    """The sizes of the parts; the feature maps are 32, 16 and 8 cells wide, and masks 32."""
    layer = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_attention_heads": 4,
        "dropout": 0.0,
    }
    return Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": width,
                "intermediate_size": 2 * width,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "image_size": 64,
                "pretrain_image_size": 64,
                "patch_size": 8,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "model_type": "clip_text_model",
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "projection_dim": width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        }
        | text_sizes(tokenizer),
        geometry_encoder_config=layer | {"num_layers": 1, "roi_size": 3},
        detr_encoder_config=layer | {"num_layers": 1},
        detr_decoder_config=layer | {"num_layers": 2, "num_queries": len(ANCHORS)},
        mask_decoder_config={"hidden_size": width, "num_attention_heads": 4, "num_upsampling_stages": 2},
    )


def _let_all_of_it_count(tracker: Any) -> None:
    """Give weight to what begins at zero or drops out, so that a test sees whoever leaves it out.

    Without biases a mask counts only by its shape, not by how sure of itself it is; and a single mask that
    is not sure gives way to the best of three.
    """
    tracker.no_memory_embedding.normal_(std=0.5)
    tracker.prompt_encoder.mask_embed.conv1.bias.normal_(std=4.0)
    tracker.prompt_encoder.mask_embed.conv2.bias.normal_(std=2.0)
    tracker.mask_decoder.output_hypernetworks_mlps[0].proj_out.weight.mul_(20.0)


def _name_once(path: Path) -> None:
    """Give the tracker's weights the names that they are published under.

    ``save_pretrained`` of transformers 5.23 puts ``tracker_model.`` before them twice.
    """
    weights = load_file(path)
    renamed = {name.replace("tracker_model." * 2, "tracker_model."): weights[name] for name in weights}
    save_file(renamed, path, metadata={"format": "pt"})
    path.chmod(0o644)


def _tracker_config(vision_config: dict[str, Any], width: int = 32) -> dict[str, Any]:
    """The sizes of the tracker; its memory is as small as the class allows."""
    return {
        "model_type": "sam3_tracker_video",
        "image_size": 64,
        "vision_config": vision_config | {"scale_factors": [4.0, 2.0, 1.0]},
        "prompt_encoder_config": {"hidden_size": width, "image_size": 64, "patch_size": 8},
        "mask_decoder_config": {
            "hidden_size": width,
            "mlp_dim": 2 * width,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": width,
        },
        "memory_attention_hidden_size": width,
        "memory_attention_num_layers": 1,
        "memory_attention_num_attention_heads": 1,
        "memory_attention_feed_forward_hidden_size": width,
        "memory_encoder_hidden_size": width,
        "mask_downsampler_embed_dim": width,
        "memory_fuser_embed_dim": width,
        "memory_fuser_num_layers": 1,
        "memory_fuser_intermediate_dim": width,
    }


def _spread_random_weights(model: nn.Module) -> None:
    """Draw all matrices anew so that signals keep their size; the usual 0.02 hides the input.

    What attention and hidden layers add to their input is kept small: otherwise all queries, and all
    places of a picture, end up alike.
    """
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if weight is None or weight.dim() < 2:
            continue
        is_table = isinstance(module, nn.Embedding)
        is_added = name.endswith(("o_proj", "out_proj", "fc2"))
        weight.data.normal_(std=0.5 if is_table else weight[0].numel() ** -0.5)
        weight.data *= 0.3 if is_added else 1.0
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.kernel_size in {(2, 2), (3, 3)}:
            _smooth(weight, module.kernel_size[0])


def _smooth(weight: Tensor, size: int) -> None:
    """Make each kernel of 2 x 2 or 3 x 3 a soft window times one random number."""
    window = torch.tensor([1.0, 2.0, 1.0]) / 4 if size == 3 else torch.ones(2)
    strength = weight.data[..., :1, :1] * (size if size == 3 else 1)
    weight.data.copy_(strength * window[:, None] * window[None, :])


def _place_anchors(model: Any) -> None:
    """Give each query its own place, and each patch a feeling for where it is."""
    decoder = model.detr_decoder
    decoder.reference_points.weight.data.copy_(torch.logit(ANCHORS))
    decoder.box_head.layer3.weight.data.mul_(0.1)
    decoder.query_embed.weight.data.mul_(4.0)
    decoder.presence_head.layer3.weight.data.mul_(0.3)
    decoder.presence_head.layer3.bias.data.fill_(1.0)
    for layer in decoder.layers:
        layer.vision_cross_attn.o_proj.weight.data.mul_(3.0)
    for norm in model.mask_decoder.pixel_decoder.norms:
        norm.bias.data.fill_(1.0)
    embeddings = model.vision_encoder.backbone.embeddings
    embeddings.patch_embeddings.projection.weight.data.mul_(0.6)
    phases = cell_centres(8) @ torch.randn(2, 32) * 7.0
    embeddings.position_embeddings.data.copy_(torch.cat([phases.sin(), phases.cos()], dim=1)[None] * 1.4)


def _set_scores(model: Any, run: Callable[[], Any]) -> None:
    """Centre both sides of the scoring product over prompts and queries, then set its spread."""
    scoring = model.dot_product_scoring
    for layer in (scoring.text_proj, scoring.query_proj):
        with _captured(layer) as outputs:
            run()
        layer.bias.data -= outputs[0].reshape(-1, outputs[0].shape[-1]).mean(0)
    factor = 2.0 / run().pred_logits.std()
    scoring.text_proj.weight.data *= factor
    scoring.text_proj.bias.data *= factor


def _fit_masks(model: Any, inputs: dict[str, Tensor]) -> None:
    """Set the last mask layer by least squares so that each query's mask is a blob at its anchor."""
    decoder = model.mask_decoder
    last = decoder.mask_embedder.layers[2]
    with (
        _captured(decoder.instance_projection) as pixels,
        _captured(decoder.mask_embedder.layers[1]) as hidden,
    ):
        model(**inputs)
    features = pixels[0].permute(0, 2, 3, 1).reshape(len(pixels[0]), -1, 64).double()
    flat = features.reshape(-1, 64)
    targets = _blobs(32).double().repeat(len(features), 1)
    masks = _solve(flat, targets)
    states = nn.functional.relu(hidden[0]).double()
    with_one = torch.cat([states, torch.ones_like(states[..., :1])], dim=-1).reshape(-1, 65)
    layer = _solve(with_one, masks.T.repeat(len(states), 1))
    last.weight.data.copy_(layer[:64].T)
    last.bias.data.copy_(layer[64])


def _solve(a: Tensor, b: Tensor) -> Tensor:
    """The ridge solution x of a x = b."""
    gram = a.T @ a
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=a.dtype)
    return torch.linalg.solve(gram + ridge, a.T @ b)


def _anchors() -> Tensor:
    """(12, 4) boxes as centre and size in [0, 1], on a 4 x 3 grid, of several sizes."""
    boxes = []
    for row in range(3):
        for column in range(4):
            wobble = 0.03 * math.sin(5 * row + 3 * column)
            size = 0.26 + 0.05 * ((2 * row + column) % 3)
            boxes.append((0.16 + 0.227 * column + wobble, 0.2 + 0.3 * row - wobble, size, 1.1 * size))
    return torch.tensor(boxes)


ANCHORS = _anchors()


def _blobs(cells: int) -> Tensor:
    """(cells * cells, 12) mask logits: ellipses that fill the anchors' boxes, negative outside."""
    offset = (cell_centres(cells)[:, None] - ANCHORS[None, :, :2]) / (ANCHORS[None, :, 2:] / 2)
    return (6.0 * (1.0 - offset.norm(dim=2))).clamp(-3.0, 6.0)


def _sam3_inputs(tokenizer: Any) -> dict[str, Tensor]:
    """Each of 48 pictures with a word of its own."""
    texts = tokenizer(WORDS[16:64], padding="max_length", max_length=SAM3_LENGTH, return_tensors="pt")
    return {"pixel_values": _pictures(64, 64)[:48], **texts}


# Pictures, capture, files


def _pictures(height: int, width: int) -> Tensor:
    """(64, 3, height, width) in [-1, 1]: large soft patches of colour with some grain."""
    coarse = nn.functional.interpolate(
        torch.rand(64, 3, 4, 4), size=(height, width), mode="bicubic", align_corners=False
    )
    brightness = torch.rand(64, 3, 1, 1) - 0.5
    grain = 0.1 * torch.randn(64, 3, height, width)
    return (2.0 * coarse - 1.0 + brightness + grain).clamp(-1.0, 1.0)


@contextmanager
def _captured(layer: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of a layer in the calls made inside."""
    outputs: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers from ``seed``, no gradients, and the caller's random state back at the end."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        yield


def _save(folder: Path, model: Any, processor: Any, kind: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    (folder / "README.md").write_text(
        f"# {folder.name}\n\nAn untrained {kind}, for tests: "
        f"it shows that the whole way works, not what is in a picture.\n\n{LICENCE_LINE}\n"
    )


if __name__ == "__main__":
    main()
