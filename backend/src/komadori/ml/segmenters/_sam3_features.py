"""The costly half of SAM 3, done once: images and texts to features, kept for a while.

Of one prompt on one frame the vision encoder takes 93% of the time, and its result does not
depend on the prompt. The text encoder's result does not depend on the frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from komadori.core.types import Image
from komadori.ml.segmenters._inputs import MAX_PROMPT_TOKENS, prompt_too_long

Features = TypeVar("Features")

KEPT_TEXTS = 256
"""Features of 32 kB each (float32)."""

KEPT_IMAGES = 4
"""Features of 113 MB each at 1008 pixels (float32), half of that in bfloat16."""

_SAMPLED_ROWS = 61
"""Every so many rows are compared first: enough to tell two frames apart without reading all."""


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What the prompt head reads of an image.

    Attributes:
        encoded: A ``Sam3VisionEncoderOutput`` of one image, without the parts that the head leaves
            alone: feature maps (1, C, h, w) and position encodings of the same shape, finest first.
        hidden: (1, h * w, C) what the backbone gave, for the part that answers clicks; None without one.
    """

    encoded: Any
    hidden: torch.Tensor | None

    def for_prompts(self, n_prompts: int) -> Any:
        """The same features as a batch of P, without copying them.

        ``Sam3Model`` does not broadcast one image over several prompts by itself.
        """
        return type(self.encoded)(
            fpn_hidden_states=_expanded(self.encoded.fpn_hidden_states, n_prompts),
            fpn_position_encoding=_expanded(self.encoded.fpn_position_encoding, n_prompts),
        )


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What the prompt head reads of a text; T tokens.

    Attributes:
        projected: (1, T, C).
        attention_mask: (1, T) int64, 0 for padding. Without it the model answers too, differently.
    """

    projected: torch.Tensor
    attention_mask: torch.Tensor


class RecentImages(Generic[Features]):
    """The features of the last few images, which are found again by their pixels.

    Args:
        capacity: How many are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: list[tuple[Image, Features]] = []

    def find(self, image: Image) -> Features | None:
        """The features of an image, if they are kept; it is now the one that was asked for last."""
        for position, (known, features) in enumerate(self._kept):
            if _is_same_image(known, image):
                self._kept.append(self._kept.pop(position))
                return features
        return None

    def keep(self, image: Image, features: Features) -> None:
        """Let an image take the place of the one that was not asked for the longest.

        Args:
            image: Must not change from now on.
            features: Of the image.
        """
        if self.capacity:
            del self._kept[: max(0, len(self._kept) + 1 - self.capacity)]
            self._kept.append((image, features))


class ImageEncoder:
    """Encodes images and finds those of the last few again by their pixels.

    Args:
        model: A ``Sam3Model``.
        processor: Its ``Sam3Processor``.
        capacity: How many images' features are kept.
        keep_hidden: Whether the output of the backbone is kept, too: 21 MB each at 1008 pixels (float32).
    """

    def __init__(
        self, model: Any, processor: Any, capacity: int = KEPT_IMAGES, *, keep_hidden: bool = False
    ) -> None:
        self._model = model
        self._processor = processor
        self._keep_hidden = keep_hidden
        self._recent: RecentImages[ImageFeatures] = RecentImages(capacity)

    @property
    def capacity(self) -> int:
        """How many images' features are kept."""
        return self._recent.capacity

    def encode(self, image: Image, *, keep: bool) -> ImageFeatures:
        """The features of an image (H, W, 3); only a new image costs a pass of the encoder.

        Args:
            image: The frame.
            keep: Whether a new image takes the place of the one that was not asked for the longest.
        """
        known = self._recent.find(image)
        if known is not None:
            return known
        own = image.copy()  # torch takes no negative strides, and the caller may reuse the buffer
        features = self._encode(own)
        if keep:
            self._recent.keep(own, features)
        return features

    def _encode(self, image: Image) -> ImageFeatures:
        pixels = self._processor.image_processor(
            images=image, input_data_format="channels_last", device=self._model.device, return_tensors="pt"
        )["pixel_values"]
        encoded = self._model.get_vision_features(pixel_values=pixels.to(self._model.dtype))
        return ImageFeatures(
            type(encoded)(
                fpn_hidden_states=encoded.fpn_hidden_states,
                fpn_position_encoding=encoded.fpn_position_encoding,
            ),
            hidden=encoded.last_hidden_state if self._keep_hidden else None,
        )


class TextEncoder:
    """Encodes texts, each once as long as it is among the last ``KEPT_TEXTS``."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.encode = lru_cache(maxsize=KEPT_TEXTS)(self._encode)

    def _encode(self, text: str) -> TextFeatures:
        tokens = self._processor(text=text, return_tensors="pt").to(self._model.device)
        n_tokens = tokens["input_ids"].shape[1]
        if n_tokens > MAX_PROMPT_TOKENS:  # the processor pads to this length and does not cut
            raise prompt_too_long(text, n_tokens)
        mask = tokens["attention_mask"]
        encoded = self._model.get_text_features(input_ids=tokens["input_ids"], attention_mask=mask)
        return TextFeatures(encoded.pooler_output, mask)


def _expanded(levels: Sequence[torch.Tensor], n: int) -> tuple[torch.Tensor, ...]:
    return tuple(level.expand(n, -1, -1, -1) for level in levels)


def _is_same_image(a: Image, b: Image) -> bool:
    if a.shape != b.shape or not np.array_equal(a[::_SAMPLED_ROWS], b[::_SAMPLED_ROWS]):
        return False
    return np.array_equal(a, b)
