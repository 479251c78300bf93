"""The part of SAM 3 that answers clicks: the mask decoder of its tracker.

Published checkpoints hold the tracker beside the part that finds concepts. Both read what one vision
backbone makes of a frame, so that runs once for words and clicks; the neck that follows it and the
decoder are the tracker's own. The decoder runs in float32: it is small, and a point in bfloat16 would
be off by some pixels.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core import masks
from komadori.core.types import ClickPrompt, Image, Refinement
from komadori.ml.manifest import read_model_type
from komadori.ml.segmenters._sam3_features import ImageEncoder, RecentImages
from komadori.ml.torch_runtime import TorchRuntime, load_pretrained

KEPT_IMAGES = 4
"""Features of 21 MB each at 1008 pixels; bulk work between two clicks on a frame does not push them out."""

MASK_LOGIT = 10.0
"""How sure of itself a former mask is, as SAM 2 gives one to its decoder; minus that beside it."""

WITH_TRACKER = "sam3_video"
"""The ``model_type`` of a checkpoint with a tracker."""

_KEYS = {r"^tracker_model\.": ""}
"""For checkpoints that ``save_pretrained`` of transformers 5.23 wrote: it doubles this prefix, and takes only
one away when it loads them, so that the whole decoder would stay at random weights."""


def load_tracker(directory: Path, runtime: TorchRuntime) -> Any:
    """A ``Sam3TrackerModel`` without the layers of its backbone, or None if the checkpoint has none.

    Raises:
        ModelError: The checkpoint says that it has a tracker, and lacks weights of it.
    """
    if read_model_type(directory) != WITH_TRACKER:
        return None
    from transformers import Sam3TrackerModel

    model = load_pretrained(
        Sam3TrackerModel,
        directory,
        replace(runtime, dtype=torch.float32),
        key_mapping=_KEYS,
        config=_tracker_config(directory),
    )
    model.vision_encoder.to(runtime.dtype)
    return model


class ClickDecoder:
    """Makes masks of clicks.

    Args:
        model: A ``Sam3TrackerModel`` in evaluation mode; its backbone is not used.
        images: Encodes frames with the backbone that it belongs to.
    """

    def __init__(self, model: Any, images: ImageEncoder) -> None:
        self._model = model
        self._images = images
        self._recent: RecentImages[list[torch.Tensor]] = RecentImages(KEPT_IMAGES)

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """The best mask for a prompt that was checked.

        One point may mean a thing or a part of it: three masks are made, and the one stays of which
        the model expects most. More clicks leave one mask.
        """
        size_hw = image.shape[:2]
        is_ambiguous = len(prompt.points_xy) == 1 and prompt.box_xyxy is None and prompt.mask is None
        outputs = self._model(
            image_embeddings=self._levels(image),
            multimask_output=is_ambiguous,
            **self._inputs(prompt, size_hw),
        )
        scores = outputs.iou_scores[0, 0]
        best = int(scores.argmax())
        logits = torch.nn.functional.interpolate(
            outputs.pred_masks[0, :, best : best + 1], size=size_hw, mode="bilinear", align_corners=False
        )
        mask = (logits[0, 0] > 0).cpu().numpy()
        return Refinement(masks.encode(mask), float(scores[best].clamp(0, 1)))

    def _levels(self, image: Image) -> list[torch.Tensor]:
        levels = self._recent.find(image)
        if levels is None:
            hidden = self._images.encode(image, keep=True).hidden
            assert hidden is not None
            levels = decoder_levels(self._model, hidden)
            self._recent.keep(image.copy(), levels)
        return levels

    def _inputs(self, prompt: ClickPrompt, size_hw: tuple[int, int]) -> dict[str, torch.Tensor]:
        """The prompt as the decoder's prompt encoder reads it, in pixels of the encoded frame."""
        encoder = self._model.prompt_encoder
        scale = torch.tensor([encoder.input_image_size / side for side in reversed(size_hw)])
        inputs: dict[str, torch.Tensor] = {}
        if len(prompt.points_xy):
            inputs["input_points"] = torch.from_numpy(prompt.points_xy)[None, None] * scale
            inputs["input_labels"] = torch.from_numpy(prompt.point_is_positive.astype(np.int64))[None, None]
        if prompt.box_xyxy is not None:
            inputs["input_boxes"] = torch.from_numpy(prompt.box_xyxy)[None, None] * scale.repeat(2)
        if prompt.mask is not None:
            inputs["input_masks"] = as_logits(masks.decode(prompt.mask)[None], encoder.mask_input_size)
        return {name: value.to(self._model.device) for name, value in inputs.items()}


def decoder_levels(model: Any, hidden: torch.Tensor) -> list[torch.Tensor]:
    """What the decoder reads of N frames: maps (N, C, h, w) float32, finest first.

    Args:
        model: A ``Sam3TrackerModel``.
        hidden: (N, h * w, C) what the backbone gave for the frames.
    """
    decoder = model.mask_decoder
    places = hidden.unflatten(1, model.prompt_encoder.image_embedding_size).permute(0, 3, 1, 2)
    maps, _positions = model.vision_encoder.neck(places)
    fine, middle, coarse = (level.float() for level in maps[: len(model.backbone_feature_sizes)])
    coarse = coarse + model.no_memory_embedding.reshape(1, -1, 1, 1)
    return [decoder.conv_s0(fine), decoder.conv_s1(middle), coarse]


def as_logits(found: NDArray[np.bool_], size_hw: tuple[int, int]) -> torch.Tensor:
    """Masks (N, H, W) as ones that the decoder could have made before, (N, 1, h, w)."""
    share = torch.nn.functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(found)).float()[:, None],
        size=size_hw,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    return (2 * share - 1) * MASK_LOGIT


def _tracker_config(directory: Path) -> Any:
    """Of a tracker that borrows the output of the detector's backbone, and so needs no layer of one.

    The neck was made for the detector's backbone, whatever the tracker's own configuration says of
    that; it has one level more than is used.
    """
    from transformers import Sam3TrackerConfig, Sam3VideoConfig

    config = Sam3VideoConfig.from_pretrained(directory, local_files_only=True)
    vision = config.detector_config.vision_config.to_dict()
    vision["scale_factors"] = vision["scale_factors"][: len(vision["backbone_feature_sizes"])]
    vision["backbone_config"]["num_hidden_layers"] = 0
    return Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config=config.tracker_config.prompt_encoder_config.to_dict(),
        mask_decoder_config=config.tracker_config.mask_decoder_config.to_dict(),
    )
