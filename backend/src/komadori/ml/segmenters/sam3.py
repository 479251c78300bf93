"""SAM 3 through transformers: all objects of a named concept, each with its mask.

A frame is encoded once for all prompts and a text once for all frames; only the small prompt
head runs for each pair. Results equal those of ``Sam3Processor`` and ``Sam3Model`` called for each
pair alone, with two differences: duplicates are suppressed (see ``DUPLICATE_IOU``; None turns it
off), and detections without any pixel are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from komadori.core.errors import ModelError
from komadori.core.progress import check_point
from komadori.core.types import ClickPrompt, ConceptPrompt, Detections, Image, Refinement
from komadori.ml import torchvision_shim
from komadori.ml.catalogue import adapter_for
from komadori.ml.local_folder import content_revision
from komadori.ml.manifest import read_model_type
from komadori.ml.segmenters import _inputs
from komadori.ml.segmenters._sam3_clicks import ClickDecoder, load_tracker
from komadori.ml.segmenters._sam3_detections import DetectionRules, read_detections
from komadori.ml.segmenters._sam3_examples import ExampleClicks
from komadori.ml.segmenters._sam3_features import ImageEncoder, ImageFeatures, TextEncoder, TextFeatures
from komadori.ml.segmenters._sam3_precision import keep_boxes_exact
from komadori.ml.segmenters.base import ConceptSegmenter, check_click_prompt
from komadori.ml.torch_runtime import TorchRuntime, choose_runtime, load_pretrained, require_safetensors

DUPLICATE_IOU = 0.5
"""Visible masks of two real objects hardly overlap, so two that share half of their union are one."""

VISUAL_TEXT = "visual"
"""The text with which SAM 3 was trained to follow exemplar boxes alone."""

MAX_PROMPTS_PER_PASS = 16
CPU_PASS_BYTES = 128 * 2**20
GPU_PASS_BYTES = 4 * 2**30


class Sam3Segmenter:
    """Finds every object that a noun phrase or exemplar boxes describe.

    Exemplar boxes are meant for the frame in which they were drawn.

    Args:
        model: A ``Sam3Model`` in evaluation mode; parts of it are put into float32.
        processor: Its ``Sam3Processor``.
        runtime: Where the model is, and its number format.
        model_id: The model as a person would name it.
        model_revision: The commit of the checkpoint, or a hash of its files.
        tracker: Its ``Sam3TrackerModel``, which answers clicks best; None without one.
        duplicate_iou: Of two masks of one prompt with a higher overlap (intersection over union), the
            one with the higher confidence stays. None keeps all, as plain transformers does.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        runtime: TorchRuntime,
        *,
        model_id: str,
        model_revision: str,
        tracker: Any = None,
        duplicate_iou: float | None = DUPLICATE_IOU,
    ) -> None:
        self.model_id = model_id
        self.model_revision = model_revision
        self.device_name = runtime.name
        self.duplicate_iou = duplicate_iou
        self.prompts_per_pass = _prompts_per_pass(model.config, runtime)
        keep_boxes_exact(model)
        self._model = model
        self._images = ImageEncoder(model, processor, keep_hidden=tracker is not None)
        self._clicks = ExampleClicks(self) if tracker is None else ClickDecoder(tracker, self._images)
        self._texts = TextEncoder(model, processor)

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        """Detections by image, then by prompt, best first, with masks in the size of each image.

        The features of the last few images are kept, so that another prompt on the same frame costs
        the head alone. A call with more images than are kept leaves what is there in place.

        Args:
            images: N images (H, W, 3) uint8; their sizes may differ.
            prompts: P prompts of words, exemplar boxes or both, asked of every image.
            score_threshold: Detections below it are left out, in [0, 1].
            mask_threshold: Pixels whose probability is above it belong to the mask.

        Raises:
            InputError: A prompt is longer than the model reads, has points, or has a box outside the
                frame; a threshold is no probability; an image is no image.
        """
        _inputs.check_thresholds(score_threshold, mask_threshold)
        _inputs.check_images(images)
        _inputs.check_prompts(prompts)
        rules = DetectionRules(score_threshold, mask_threshold, self.duplicate_iou)
        with torch.inference_mode():  # without it the outputs would hold on to every activation
            # A prompt that cannot be read fails here, before the costly image encoder has run.
            queries = [_Query(prompt, self._texts.encode(_text_of(prompt))) for prompt in prompts]
            keep = len(images) <= self._images.capacity
            return [self._segment_image(image, queries, rules, keep=keep) for image in images]

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """See :meth:`ClickSegmenter.refine`.

        A tracker answers with the overlap that it expects for the confidence. It keeps the features of
        the last few frames that were clicked on apart from the others, so a further click costs its
        decoder alone. Without a tracker the object is found by example.

        Raises:
            InputError: The prompt names no object, or something outside the image.
        """
        _inputs.check_images([image])
        check_click_prompt(prompt, image.shape[:2])
        with torch.inference_mode():
            return self._clicks.refine(image, prompt)

    def _segment_image(
        self, image: Image, queries: Sequence["_Query"], rules: DetectionRules, *, keep: bool
    ) -> list[Detections]:
        if not queries:
            return []
        size_hw = image.shape[:2]
        boxes = [_inputs.boxes_in_frame(query.prompt, size_hw) for query in queries]
        features = self._images.encode(image, keep=keep)
        found: dict[int, Detections] = {}
        for positions in self._passes(queries):
            check_point()  # on a processor a pass may take seconds, and there may be a hundred
            relative = _relative_cxcywh(np.stack([boxes[i] for i in positions]), size_hw)
            outputs = self._run_head(features, [queries[i] for i in positions], relative)
            for row, i in enumerate(positions):
                name = queries[i].prompt.class_name
                found[i] = read_detections(outputs, row, size_hw=size_hw, class_name=name, rules=rules)
        return [found[i] for i in range(len(queries))]

    def _passes(self, queries: Sequence["_Query"]) -> Iterator[list[int]]:
        """The positions of the prompts that go through the head together.

        Those of one pass have the same number of boxes: a prompt without any would otherwise get a
        geometry token that it does not have alone, and would answer differently.
        """
        counts = [len(query.prompt.boxes_xyxy) for query in queries]
        for n_boxes in sorted(set(counts)):
            alike = [i for i, count in enumerate(counts) if count == n_boxes]
            for start in range(0, len(alike), self.prompts_per_pass):
                yield alike[start : start + self.prompts_per_pass]

    def _run_head(self, features: ImageFeatures, queries: Sequence["_Query"], boxes: torch.Tensor) -> Any:
        """The model's outputs for P prompts with B boxes each, (P, B, 4) cxcywh in [0, 1]."""
        geometry = {}
        if boxes.numel():
            labels = torch.tensor(np.stack([query.prompt.box_is_positive for query in queries]))
            geometry = {
                "input_boxes": boxes.to(self._model.device, self._model.dtype),
                "input_boxes_labels": labels.to(self._model.device, torch.int64),
            }
        return self._model(
            vision_embeds=features.for_prompts(len(queries)),
            text_embeds=_batch_of_texts([query.text.projected for query in queries]),
            attention_mask=torch.cat([query.text.attention_mask for query in queries]),
            **geometry,
        )


def create(
    source: str | Path,
    *,
    revision: str | None = None,
    model_id: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    duplicate_iou: float | None = DUPLICATE_IOU,
    dtype: torch.dtype | None = None,
) -> ConceptSegmenter:
    """A segmenter from a local checkpoint of SAM 3, of the image model or with the tracker.

    Args:
        source: A folder in the layout of transformers, with weights as safetensors.
        revision: The commit that the folder holds; a hash of its files when left out.
        model_id: The model as a person would name it; the folder's name when left out.
        device: "auto", "cpu", "cuda", "cuda:1".
        threads: How many threads torch uses in this process; None leaves it as it is.
        duplicate_iou: See :class:`Sam3Segmenter`.
        dtype: A number format to use instead of the fastest one.

    Raises:
        ModelError: The folder is no complete checkpoint of SAM 3.
        DependencyError: This machine does not have the device.
    """
    directory = Path(source)
    require_safetensors(directory)
    _require_sam3(directory)
    runtime = choose_runtime(device, threads=threads, dtype=dtype)
    torchvision_shim.install()
    from transformers import Sam3Model, Sam3Processor  # not importable before the shim is in place

    return Sam3Segmenter(
        # A checkpoint with the tracker calls itself sam3_video, and AutoModel would build all of it.
        load_pretrained(Sam3Model, directory, runtime),
        _load_processor(Sam3Processor, directory),
        runtime,
        model_id=model_id or directory.name,
        model_revision=revision or content_revision(directory),
        tracker=load_tracker(directory, runtime),
        duplicate_iou=duplicate_iou,
    )


@dataclass(frozen=True, slots=True)
class _Query:
    """A prompt and what the text encoder made of its words."""

    prompt: ConceptPrompt
    text: TextFeatures


def _require_sam3(directory: Path) -> None:
    config = directory / "config.json"
    adapter = adapter_for(read_model_type(directory), str(config))
    if adapter != "sam3":
        raise ModelError(
            f"Expected a checkpoint of SAM 3, got one for {adapter}: {config}.",
            hint="Name a checkpoint such as facebook/sam3 as the segmenter.",
            code="wrong-model",
        )


def _load_processor(processor_class: Any, directory: Path) -> Any:
    try:
        return processor_class.from_pretrained(directory, local_files_only=True)
    except Exception as exc:  # a missing or damaged file surfaces as any of a dozen types
        raise ModelError(
            f"The image and text settings of SAM 3 could not be read from {directory}: {exc}",
            hint="Fetch the checkpoint again, with its processor and tokenizer files.",
            code="unreadable-checkpoint",
        ) from exc


def _prompts_per_pass(config: Any, runtime: TorchRuntime) -> int:
    """How many prompts go through the head at once, by the memory that they need there.

    For each prompt the head holds some feature maps and all queries' masks at the finest level, and
    the attention bias of each query, head and place at the coarsest: 0.2 GB at 1008 pixels in bfloat16.
    A GPU is filled by several prompts; on a CPU they only push each other out of its cache: 16 at
    once took a quarter longer than two at a time.
    """
    n_fine, *_, n_coarse = (prod(size) for size in config.vision_config.backbone_feature_sizes)
    decoder = config.detr_decoder_config
    n_values = n_fine * (3 * decoder.hidden_size + decoder.num_queries)
    n_values += 3 * n_coarse * decoder.num_queries * decoder.num_attention_heads
    budget_bytes = CPU_PASS_BYTES if runtime.device.type == "cpu" else GPU_PASS_BYTES
    n_prompts: int = budget_bytes // (n_values * runtime.dtype.itemsize)
    return max(1, min(MAX_PROMPTS_PER_PASS, n_prompts))


def _text_of(prompt: ConceptPrompt) -> str:
    return prompt.text.strip() if prompt.text else VISUAL_TEXT


def _relative_cxcywh(xyxy: NDArray[np.float32], size_hw: tuple[int, int]) -> torch.Tensor:
    """Boxes (..., 4) xyxy pixels as centre and size in [0, 1], which is what the model reads."""
    height, width = size_hw
    low, high = np.split(xyxy / np.array([width, height, width, height], np.float32), 2, axis=-1)
    return torch.from_numpy(np.concatenate([(low + high) / 2, high - low], axis=-1))


def _batch_of_texts(projected: Sequence[torch.Tensor]) -> Any:
    """Text features (1, T, C) each as one batch, in the wrapping that ``Sam3Model`` unwraps.

    Its documentation asks for the tensor, which ends in an AttributeError.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return BaseModelOutputWithPooling(pooler_output=torch.cat(list(projected)))
