"""The plain transformers call, against which the embedder's vectors are held."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core.types import Image
from komadori.ml import torchvision_shim
from komadori.ml.embedders import siglip2
from tests.support.checkpoints import SIGLIP2_NAFLEX

torchvision_shim.install()

from transformers import AutoImageProcessor, AutoModel, AutoProcessor  # noqa: E402
from transformers.utils import logging  # noqa: E402

Vector = NDArray[np.float32]


class PlainSiglip:
    """Processor and whole model of a checkpoint, float32, one input at a time."""

    def __init__(self, folder: Path) -> None:
        logging.disable_progress_bar()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        # The processor class of NaFlex puts the base model's numbers in place of the checkpoint's own.
        self.options = {"max_num_patches": 64, "patch_size": 8} if folder == SIGLIP2_NAFLEX else {}

    def pixels(self, image: Image) -> dict[str, Any]:
        return dict(
            self.processor(
                images=image, return_tensors="pt", input_data_format="channels_last", **self.options
            )
        )

    def image_vector(self, image: Image) -> Vector:
        with torch.inference_mode():
            return unit(self.model.get_image_features(**self.pixels(image)).pooler_output)

    def text_vector(self, text: str, **options: Any) -> Vector:
        padded = {"padding": "max_length", "max_length": 64, "truncation": True}
        tokens = self.processor.tokenizer([text], return_tensors="pt", **{**padded, **options})
        with torch.inference_mode():
            return unit(self.model.get_text_features(**tokens).pooler_output)


def image_processor(folder: Path, backend: str) -> Any:
    """The image half of a checkpoint's processor, in one of its implementations."""
    return AutoImageProcessor.from_pretrained(folder, backend=backend)


def unit(pooled: torch.Tensor) -> Vector:
    """(D,) of unit norm from (1, D)."""
    vector: Vector = torch.nn.functional.normalize(pooled, dim=1)[0].numpy()
    return vector


def exact_embedder(folder: Path, **options: Any) -> Any:
    """In the plain call's number format unless told otherwise."""
    exact = {"engine": "torch", "dtype": torch.float32}
    return siglip2.create(folder, **{**exact, **options})
