"""Turns frames into what a SigLIP vision tower reads, as the checkpoint's own processor does.

The settings are the processor's; the work is done by torch's resize of 8-bit pictures, which gives
the same grey levels in a fraction of the time and outside Python's lock, so that threads can prepare
the next batch while the model runs. Pixels stay 8 bit until the batch is on its device.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from komadori.core.errors import ModelError
from komadori.core.types import Image

ModelInputs = dict[str, Tensor]

INTERPOLATIONS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""The numbers are those of PIL, with which processors name them."""


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """How a checkpoint wants its pictures.

    Attributes:
        size_hw: The size that every picture is squeezed to, or None for the picture's own proportions
            in at most ``max_patches`` patches of ``patch_size``.
        scale: (3,) the factor for each channel's grey levels.
        shift: (3,) what is added after that.
    """

    size_hw: tuple[int, int] | None
    patch_size: int
    max_patches: int
    interpolation: Literal["bilinear", "bicubic"]
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def digest(self, **more: object) -> str:
        """A hash over these settings and whatever else decides which vectors come out."""
        text = json.dumps({"pixels": asdict(self)} | more, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class PixelPreparer(Protocol):
    """Prepares pictures one by one, in any thread, and puts them together into a batch."""

    def prepare(self, image: Image) -> Tensor:
        """The picture (H, W, 3) in the size of the model, uint8."""

    def collate(self, prepared: Sequence[Tensor], device: torch.device) -> ModelInputs:
        """The arguments of the vision tower for N prepared pictures, float32, on the device."""


class FixedPixels:
    """For towers with one picture size: prepared (3, S, S), collated (N, 3, S, S)."""

    def __init__(self, settings: PixelSettings) -> None:
        self._settings = settings

    def prepare(self, image: Image) -> Tensor:
        """See :class:`PixelPreparer`."""
        assert self._settings.size_hw is not None
        return _resize(image, self._settings.size_hw, self._settings.interpolation)

    def collate(self, prepared: Sequence[Tensor], device: torch.device) -> ModelInputs:
        """See :class:`PixelPreparer`."""
        pixels = torch.stack(list(prepared)).to(device)
        scale = torch.tensor(self._settings.scale, device=device)[:, None, None]
        shift = torch.tensor(self._settings.shift, device=device)[:, None, None]
        return {"pixel_values": pixels * scale + shift}


class NaflexPixels:
    """For NaFlex towers: prepared (3, h, w), collated to N x ``max_patches`` patches with a mask.

    Batches are always padded to ``max_patches``, so a picture's vector does not depend on its company.
    """

    def __init__(self, settings: PixelSettings) -> None:
        self._settings = settings

    def prepare(self, image: Image) -> Tensor:
        """See :class:`PixelPreparer`."""
        from transformers.models.siglip2.image_processing_pil_siglip2 import (
            get_image_size_for_max_num_patches,
        )

        settings = self._settings
        height, width = image.shape[:2]
        size_hw = get_image_size_for_max_num_patches(height, width, settings.patch_size, settings.max_patches)
        return _resize(image, size_hw, settings.interpolation)

    def collate(self, prepared: Sequence[Tensor], device: torch.device) -> ModelInputs:
        """See :class:`PixelPreparer`."""
        settings = self._settings
        side, n_values = settings.patch_size, settings.patch_size**2
        shapes = torch.tensor([[p.shape[1] // side, p.shape[2] // side] for p in prepared])
        pixels = torch.zeros(len(prepared), settings.max_patches, 3 * n_values, dtype=torch.uint8)
        for row, picture in zip(pixels, prepared, strict=True):
            patches = _patches(picture, side)
            row[: len(patches)] = patches
        n_patches = shapes.prod(dim=1)
        is_patch = torch.arange(settings.max_patches)[None] < n_patches[:, None]
        scale = torch.tensor(settings.scale, device=device).repeat(n_values)
        shift = torch.tensor(settings.shift, device=device).repeat(n_values)
        mask = is_patch.to(device)
        return {
            "pixel_values": (pixels.to(device) * scale + shift) * mask[:, :, None],
            "pixel_attention_mask": mask.to(torch.int32),
            "spatial_shapes": shapes.to(device),
        }


def read_pixel_settings(directory: Path, model_config: Any) -> PixelSettings:
    """The settings of a checkpoint's image processor.

    Args:
        directory: The checkpoint.
        model_config: Its configuration, of SiglipModel or Siglip2Model.

    Raises:
        ModelError: The processor is missing, or asks for something that SigLIP's never do.
    """
    settings = _processor_settings(directory)
    is_naflex = model_config.model_type == "siglip2"
    size = settings.get("size") or {}
    if int(settings["resample"]) not in INTERPOLATIONS or not (
        is_naflex or {"height", "width"} <= size.keys()
    ):
        raise ModelError(
            f"Expected a processor that resizes bilinearly or bicubically to a height and a width, got "
            f"resample {settings['resample']} and size {size} in {directory}.",
            hint="Use an unchanged SigLIP 2 checkpoint.",
            code="unsupported-processor",
        )
    rescale = float(settings["rescale_factor"]) if settings["do_rescale"] else 1.0
    mean = settings["image_mean"] if settings["do_normalize"] else [0.0] * 3
    std = settings["image_std"] if settings["do_normalize"] else [1.0] * 3
    return PixelSettings(
        size_hw=None if is_naflex else (int(size["height"]), int(size["width"])),
        patch_size=int(model_config.vision_config.patch_size),
        max_patches=int(settings["max_num_patches"]) if is_naflex else 0,
        interpolation=INTERPOLATIONS[int(settings["resample"])],
        scale=tuple(rescale / s for s in std),
        shift=tuple(-m / s for m, s in zip(mean, std, strict=True)),
    )


def _processor_settings(directory: Path) -> dict[str, Any]:
    from transformers import AutoImageProcessor

    try:
        settings: dict[str, Any] = AutoImageProcessor.from_pretrained(
            directory, local_files_only=True
        ).to_dict()
    except Exception as exc:  # a missing or damaged file surfaces as any of a dozen types
        raise ModelError(
            f"The image settings of {directory} could not be read: {exc}",
            hint="Fetch the checkpoint again, with its preprocessor_config.json.",
            code="unreadable-checkpoint",
        ) from exc
    return settings


def _resize(image: Image, size_hw: tuple[int, int], interpolation: str) -> Tensor:
    # A frame may be read-only or a view, which torch cannot share; the copy is made only then.
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
    picture = pixels.permute(2, 0, 1)[None]
    resized = functional.interpolate(picture, size=size_hw, mode=interpolation, antialias=True)
    return resized[0]


def _patches(picture: Tensor, side: int) -> Tensor:
    """(3, h, w) as (h / side * w / side, side * side * 3), row by row, channels last in each patch."""
    _, height, width = picture.shape
    cells = picture.reshape(3, height // side, side, width // side, side)
    return cells.permute(1, 3, 2, 4, 0).reshape(-1, side * side * 3)
