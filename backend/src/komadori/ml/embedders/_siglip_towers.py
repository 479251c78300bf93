"""The two halves of a SigLIP model, each loaded only when it is used.

The text tower of the base model has three times the weights of its vision tower, and a worker that
embeds frames may never see a text.
"""

import importlib
import importlib.util
import shutil
import sys
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core.errors import ModelError
from komadori.ml.embedders._inputs import text_too_long
from komadori.ml.embedders._siglip_pixels import ModelInputs
from komadori.ml.torch_runtime import TorchRuntime, cpu_has_bf16, load_pretrained

Vectors = NDArray[np.float32]

CLASSES = {
    "siglip": ("SiglipVisionModel", "SiglipTextModel"),
    "siglip2": ("Siglip2VisionModel", "Siglip2TextModel"),
}
"""The classes of the two towers, by the ``model_type`` of the checkpoint."""

TEXTS_PER_PASS = 64


class VisionTower(Protocol):
    """Turns prepared pictures into vectors, not yet of unit norm."""

    def encode(self, inputs: ModelInputs) -> Vectors:
        """(N, D) for N pictures."""


class TorchVisionTower:
    """The vision tower as transformers has it."""

    def __init__(self, model_type: str, directory: Path, runtime: TorchRuntime) -> None:
        self._model = load_pretrained(_tower_class(model_type, 0), directory, runtime)

    def encode(self, inputs: ModelInputs) -> Vectors:
        """See :class:`VisionTower`."""
        with torch.inference_mode():
            return _to_numpy(self._model(**inputs).pooler_output)


class OpenVinoVisionTower:
    """The vision tower of a fixed-resolution checkpoint, converted for OpenVINO.

    With bfloat16 it takes 0.8 of the time of torch's bfloat16 on a CPU that has the instructions.

    Args:
        directory: The checkpoint.
        size_hw: The size of its pictures.
        threads: How many threads it computes with; None for all cores.
        cached: The folder in which the converted model is kept, or None to convert at each start
            (6 s for base/16-224).
    """

    def __init__(
        self, directory: Path, size_hw: tuple[int, int], threads: int | None, cached: Path | None
    ) -> None:
        self._openvino = _import_openvino()
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if cpu_has_bf16() else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        self._core = self._openvino.Core()
        self._compiled = self._compile(directory, size_hw, cached, options)

    def encode(self, inputs: ModelInputs) -> Vectors:
        """See :class:`VisionTower`."""
        vectors: Vectors = np.array(self._compiled(inputs["pixel_values"].numpy())[0], np.float32)
        return vectors

    def _compile(
        self, directory: Path, size_hw: tuple[int, int], cached: Path | None, options: dict[str, Any]
    ) -> Any:
        if cached is not None and (compiled := self._compile_cached(cached, options)) is not None:
            return compiled
        converted = self._convert(directory, size_hw)
        if cached is not None:
            self._keep(converted, cached)
        return self._core.compile_model(converted, "CPU", options)

    def _compile_cached(self, cached: Path, options: dict[str, Any]) -> Any | None:
        model = cached / "vision.xml"
        if not model.is_file():
            return None
        try:
            return self._core.compile_model(model, "CPU", options)
        except RuntimeError:  # damaged; it is only a cache
            shutil.rmtree(cached, ignore_errors=True)
            return None

    def _convert(self, directory: Path, size_hw: tuple[int, int]) -> Any:
        runtime = TorchRuntime(torch.device("cpu"), torch.float32)
        model = load_pretrained(_tower_class("siglip", 0), directory, runtime)
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the tracer warns of shapes that are fixed here anyway
            return self._openvino.convert_model(
                _Pooled(model),
                example_input=torch.zeros(2, 3, *size_hw),
                input=[self._openvino.PartialShape([-1, 3, *size_hw])],
            )

    def _keep(self, converted: Any, cached: Path) -> None:
        """Save the model under a temporary name, then rename; the first of several workers wins.

        Without it the model is converted at each start: a folder that is full or read-only is no fault.
        """
        with suppress(OSError, RuntimeError):
            cached.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{cached.name}-", dir=cached.parent))
            try:
                self._openvino.save_model(converted, scratch / "vision.xml")
                scratch.chmod(0o755)
                scratch.replace(cached)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


class TextTower:
    """The text tower and its tokenizer.

    Texts are lower-cased, as those that SigLIP 2 was trained with, although the tokenizer class named
    in the fixed-resolution checkpoints does not do it. They are padded to the length of training and go
    in without an attention mask, which the model never saw (transformers issue 39269).
    """

    def __init__(self, model_type: str, directory: Path, runtime: TorchRuntime) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                directory, local_files_only=True, trust_remote_code=False
            )
        except Exception as exc:  # a missing or damaged file surfaces as any of a dozen types
            raise ModelError(
                f"The tokenizer of {directory} could not be read: {exc}",
                hint="Fetch the checkpoint again, with its tokenizer files.",
                code="unreadable-checkpoint",
            ) from exc
        self._model: Any = load_pretrained(_tower_class(model_type, 1), directory, runtime)
        self._device = runtime.device

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(N, D) for N texts, not yet of unit norm.

        Raises:
            InputError: A text is longer than the model reads; what would be lost is named.
        """
        parts = [
            self._encode_pass(texts[start : start + TEXTS_PER_PASS])
            for start in range(0, len(texts), TEXTS_PER_PASS)
        ]
        return np.concatenate(parts)

    def _encode_pass(self, texts: Sequence[str]) -> Vectors:
        length = self._model.config.max_position_embeddings
        lowered = [text.lower() for text in texts]
        tokens = self._tokenizer(
            lowered, padding="max_length", max_length=length, return_offsets_mapping=True
        )
        for text, ids, spans in zip(lowered, tokens["input_ids"], tokens["offset_mapping"], strict=True):
            if len(ids) > length:
                # The last token that is read ends the text, where the tokenizer marks the end.
                raise text_too_long(text[spans[length - 1][0] :], len(ids), length)
        input_ids = torch.tensor(tokens["input_ids"], device=self._device)
        with torch.inference_mode():
            return _to_numpy(self._model(input_ids=input_ids).pooler_output)


def has_openvino() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def openvino_cache_folder(cache_dir: Path, model_id: str, revision: str) -> Path:
    """Where the converted vision tower of a checkpoint lies: another release converts anew."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{model_id}@{revision}")
    return cache_dir / f"{name[-100:]}-openvino-{version('openvino')}"


class _Pooled(torch.nn.Module):  # type: ignore[misc]
    """The one output that is wanted: converters follow tensors, not the output classes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.model(pixel_values=pixel_values).pooler_output
        return pooled


def _tower_class(model_type: str, position: int) -> Any:
    return getattr(importlib.import_module("transformers"), CLASSES[model_type][position])


def _import_openvino() -> Any:
    # Its converter reports each use over the network unless told otherwise by a file in the home
    # folder; without the reporting package it falls back to a stub that does nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def _to_numpy(pooled: torch.Tensor) -> Vectors:
    vectors: Vectors = pooled.to("cpu", torch.float32).numpy()
    return vectors
