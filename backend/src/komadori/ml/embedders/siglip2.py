"""SigLIP 2 (arXiv 2502.14786), fixed-resolution and NaFlex checkpoints, through transformers.

The fixed-resolution checkpoints are of transformers' model type ``siglip``, the NaFlex ones of
``siglip2``; SigLIP 1 checkpoints are of the first type and work too.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from komadori.core.errors import ModelError
from komadori.core.types import EmbeddingBatch, EmbeddingSpace, Image
from komadori.ml import torchvision_shim
from komadori.ml.embedders._inputs import check_batch_size, is_usable
from komadori.ml.embedders._siglip_pixels import (
    FixedPixels,
    NaflexPixels,
    PixelPreparer,
    PixelSettings,
    read_pixel_settings,
)
from komadori.ml.embedders._siglip_towers import (
    CLASSES,
    OpenVinoVisionTower,
    TextTower,
    TorchVisionTower,
    Vectors,
    VisionTower,
    has_openvino,
    openvino_cache_folder,
)
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.local_folder import content_revision
from komadori.ml.torch_runtime import TorchRuntime, choose_runtime, cpu_has_bf16, require_safetensors

Engine = Literal["auto", "torch", "openvino"]

BATCH_SIZES = {"cpu": 8, "cuda": 256}
"""A CPU gains nothing from larger batches: at 196 tokens the matrices of one picture fill it."""

PREPARE_THREADS = {"cpu": 1, "cuda": 8}
"""How many threads prepare the next batch: on a CPU they compete with the model."""

PREPROCESSING_VERSION = 1
"""Raised when this code starts to prepare pictures or texts in another way."""


class Siglip2Embedder:
    """See :class:`~komadori.ml.embedders.base.ImageTextEmbedder`.

    Args:
        vision: The loaded vision tower.
        load_texts: Loads the text tower when the first text comes.
        pixels: Prepares pictures for the vision tower.
        runtime: Where batches go.
        engine: What computes the vectors of pictures, for people.
    """

    def __init__(
        self,
        vision: VisionTower,
        load_texts: Callable[[], TextTower],
        pixels: PixelPreparer,
        runtime: TorchRuntime,
        *,
        space: EmbeddingSpace,
        batch_size: int,
        engine: str,
    ) -> None:
        self.space = space
        self.batch_size = batch_size
        self.device_name = f"{runtime.name}, {engine}"
        self._vision = vision
        self._load_texts = load_texts
        self._texts: TextTower | None = None
        self._pixels = pixels
        self._device = runtime.device
        threads = min(PREPARE_THREADS.get(runtime.device.type, 1), os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare-pixels")

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_images`.

        Left out are images that are not (H, W, 3) uint8 or have no pixel, and those for which the
        model gives no finite vector.
        """
        usable = [position for position, image in enumerate(images) if is_usable(image)]
        parts = [
            self._vision.encode(self._pixels.collate(prepared, self._device))
            for prepared in self._prepared_batches([images[position] for position in usable])
        ]
        return self._to_batch(parts, np.array(usable, np.int64))

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_texts`; the first call loads the text tower."""
        if self._texts is None:
            self._texts = self._load_texts()
        parts = [self._texts.encode(texts)] if texts else []
        return self._to_batch(parts, np.arange(len(texts), dtype=np.int64))

    def _prepared_batches(self, images: Sequence[Image]) -> Iterator[list[Tensor]]:
        """Batches of prepared pictures; the next one is prepared while the caller works with one."""
        waiting: list[Future[Tensor]] = []
        for start in range(0, len(images), self.batch_size):
            group = images[start : start + self.batch_size]
            following = [self._pool.submit(self._pixels.prepare, image) for image in group]
            if waiting:
                yield [future.result() for future in waiting]
            waiting = following
        if waiting:
            yield [future.result() for future in waiting]

    def _to_batch(
        self, parts: Sequence[Vectors], positions: np.ndarray[Any, np.dtype[np.int64]]
    ) -> EmbeddingBatch:
        if not parts:
            return EmbeddingBatch(np.zeros((0, self.space.dim), np.float32), positions)
        vectors = np.concatenate(parts)
        norms = np.linalg.norm(vectors, axis=1)
        is_good = np.isfinite(norms) & (norms > 0)
        return EmbeddingBatch(vectors[is_good] / norms[is_good, None], positions[is_good])


def create(
    source: str | Path,
    *,
    revision: str | None = None,
    model_id: str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    engine: Engine = "auto",
    cache_dir: Path | None = None,
    dtype: torch.dtype | None = None,
) -> ImageTextEmbedder:
    """An embedder from a local SigLIP or SigLIP 2 checkpoint.

    Args:
        source: A folder in the layout of transformers, with weights as safetensors.
        revision: The commit that the folder holds; a hash of its files when left out.
        model_id: The model as a person would name it; the folder's name when left out.
        device: "auto", "cpu", "cuda", "cuda:1".
        batch_size: How many images one forward pass takes at most.
        threads: How many threads compute in this process; None leaves it to the libraries.
        engine: "auto" takes OpenVINO for fixed-resolution checkpoints on a CPU with bfloat16, where
            it is installed, else torch.
        cache_dir: Where the model converted for OpenVINO is kept; None converts it at each start.
        dtype: A number format for torch to use instead of the fastest one.

    Raises:
        ModelError: The folder is no complete checkpoint, or the engine cannot run it.
        DependencyError: This machine does not have the device.
        InputError: A parameter is out of range.
    """
    directory = Path(source)
    require_safetensors(directory)
    runtime = choose_runtime(device, threads=threads, dtype=dtype)
    check_batch_size(batch_size)
    torchvision_shim.install()
    config = _read_config(directory)
    settings = read_pixel_settings(directory, config)
    model_id = model_id or directory.name
    revision = revision or content_revision(directory)
    chosen = _choose_engine(engine, config.model_type, runtime, dtype)
    vision: VisionTower
    if chosen == "openvino":
        assert settings.size_hw is not None
        cached = cache_dir and openvino_cache_folder(cache_dir, model_id, revision)
        vision = OpenVinoVisionTower(directory, settings.size_hw, threads, cached)
    else:
        vision = TorchVisionTower(config.model_type, directory, runtime)
    return Siglip2Embedder(
        vision,
        lambda: TextTower(config.model_type, directory, runtime),
        NaflexPixels(settings) if settings.size_hw is None else FixedPixels(settings),
        runtime,
        space=_space(config, settings, model_id, revision),
        batch_size=batch_size or BATCH_SIZES.get(runtime.device.type, 8),
        engine=chosen,
    )


def _read_config(directory: Path) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as exc:  # a damaged file surfaces as any of a dozen types
        raise ModelError(
            f"{directory / 'config.json'} could not be read: {exc}",
            hint="Fetch the checkpoint again.",
            code="unreadable-checkpoint",
        ) from exc
    if config.model_type not in CLASSES or not config.vision_config.vision_use_head:
        raise ModelError(
            f"Expected a SigLIP or SigLIP 2 checkpoint with its pooling head, got {config.model_type} "
            f"in {directory}.",
            hint="Name a checkpoint such as google/siglip2-base-patch16-224 as the embedder.",
            code="wrong-model",
        )
    return config


def _choose_engine(
    engine: Engine, model_type: str, runtime: TorchRuntime, dtype: torch.dtype | None
) -> Engine:
    is_possible = model_type == "siglip" and runtime.device.type == "cpu" and has_openvino()
    if engine == "openvino" and not is_possible:
        raise ModelError(
            f"Expected a fixed-resolution checkpoint, the device cpu and the package openvino for the "
            f"engine openvino, got {model_type} on {runtime.device}.",
            hint="Use the engine auto.",
            code="engine-unavailable",
        )
    if engine != "auto":
        return engine
    return "openvino" if is_possible and dtype is None and cpu_has_bf16() else "torch"


def _space(config: Any, settings: PixelSettings, model_id: str, revision: str) -> EmbeddingSpace:
    majors = {name: version(name).split(".")[0] for name in ("torch", "transformers")}
    preprocessing = settings.digest(
        version=PREPROCESSING_VERSION,
        text={"length": config.text_config.max_position_embeddings, "is_lower_cased": True},
        libraries=majors,
    )
    return EmbeddingSpace(model_id, revision, preprocessing, int(config.vision_config.hidden_size))
