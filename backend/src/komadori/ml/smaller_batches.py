"""Models that take smaller batches once the memory of their device has run out."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from komadori.core.errors import DeviceMemoryError
from komadori.core.types import (
    ClickPrompt,
    ConceptPrompt,
    Detections,
    EmbeddingBatch,
    EmbeddingSpace,
    Image,
    Refinement,
)
from komadori.ml.device_memory import DeviceMemory, free_of_host, is_out_of_memory, memory_of
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter, clickable

Item = TypeVar("Item")
Result = TypeVar("Result")

_CARD_REMEDY = "Free the card (`nvidia-smi` lists who uses it), use another by KOMADORI_DEVICE"
_HOST_REMEDY = "Free memory of this machine, or let its other workers do less"

_log = logging.getLogger(__name__)


class BatchLimit:
    """How many items go through a model at once: as many as there are, until its memory runs out.

    Then the batch is halved, and stays so for the life of the process: what ran out once runs out
    again, and each time costs the work of a batch.

    Args:
        device_name: Of the model, see :func:`memory_of`.
        items: What it counts, for people: "pictures".
        setting: Which names the model.
    """

    def __init__(self, device_name: str, items: str, setting: str) -> None:
        self.size: int | None = None
        self._device_name = device_name
        self._items = items
        self._setting = setting
        self._known_memory: DeviceMemory | None = None

    @property
    def remark(self) -> str | None:
        """What to tell people of it; None as long as nothing ran out."""
        return None if self.size is None else f"at most {self.size} {self._items} at once, for want of memory"

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> list[Result]:
        """What the work gives for the items, in batches within the limit.

        Raises:
            DeviceMemoryError: The memory does not do for a single item.
        """
        results: list[Result] = []
        done = 0
        while done < len(items):
            batch = items[done : done + (self.size or len(items))]
            try:
                results.append(work(batch))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                said = str(error).strip().partition("\n")[0] or type(error).__name__
            else:
                done += len(batch)
                continue
            # Only here the error is gone, and with its frames all that the failed pass had held.
            self._shrink(len(batch), said)
        return results

    def _shrink(self, tried: int, said: str) -> None:
        self._memory.forget_peak()
        if tried == 1:
            raise self._too_little(said)
        self.size = tried // 2
        _log.warning(
            "the memory ran out with %s %s at once, so there are at most %s from now on: %s",
            tried,
            self._items,
            self.size,
            said,
        )

    @property
    def _memory(self) -> DeviceMemory:
        if self._known_memory is None:
            self._known_memory = memory_of(self._device_name)
        return self._known_memory

    def _too_little(self, said: str) -> DeviceMemoryError:
        room = self._memory.available() or free_of_host()
        free = "" if room is None else f" {room / 2**20:,.0f} MiB are free there."
        remedy = _CARD_REMEDY if self._device_name.startswith("cuda") else _HOST_REMEDY
        return DeviceMemoryError(
            f"The model needs more memory than there is, even with one of its {self._items} at a time, on "
            f"{self._memory.name}: {said.rstrip('.')}.{free}",
            hint=f"{remedy}, or name a smaller model in {self._setting}; then retry the job.",
        )


class BatchingEmbedder:
    """See :class:`~komadori.ml.embedders.base.ImageTextEmbedder`; its batch shrinks with the memory."""

    def __init__(self, embedder: ImageTextEmbedder) -> None:
        self.limit = BatchLimit(embedder.device_name, "pictures", "KOMADORI_EMBEDDER")
        self._texts = BatchLimit(embedder.device_name, "texts", "KOMADORI_EMBEDDER")
        self._embedder = embedder

    @property
    def space(self) -> EmbeddingSpace:
        """See :meth:`ImageTextEmbedder.space`."""
        return self._embedder.space

    @property
    def batch_size(self) -> int:
        """See :meth:`ImageTextEmbedder.batch_size`; less, once the memory has run out."""
        return min(self._embedder.batch_size, self.limit.size or self._embedder.batch_size)

    @property
    def device_name(self) -> str:
        """See :meth:`ImageTextEmbedder.device_name`."""
        return self._embedder.device_name

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_images`.

        Raises:
            DeviceMemoryError: The memory does not do for a single picture.
        """
        return self._embed(self.limit, images, self._embedder.embed_images)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_texts`.

        Raises:
            DeviceMemoryError: The memory does not do for a single text.
        """
        return self._embed(self._texts, texts, self._embedder.embed_texts)

    def _embed(
        self, limit: BatchLimit, items: Sequence[Item], embed: Callable[[Sequence[Item]], EmbeddingBatch]
    ) -> EmbeddingBatch:
        if not items:
            return embed(items)
        parts = limit.run(list(enumerate(items)), lambda batch: _embed_numbered(batch, embed))
        vectors, kept = zip(*parts, strict=True)
        return EmbeddingBatch(np.concatenate(vectors), np.concatenate(kept))


class BatchingSegmenter:
    """See :class:`~komadori.ml.segmenters.base.ConceptSegmenter`; it asks for fewer prompts at once."""

    def __init__(self, segmenter: ConceptSegmenter) -> None:
        self.limit = BatchLimit(segmenter.device_name, "prompts", "KOMADORI_SEGMENTER")
        self._clicks = BatchLimit(segmenter.device_name, "frames to click on", "KOMADORI_SEGMENTER")
        self._segmenter = segmenter

    @property
    def model_id(self) -> str:
        """See :meth:`ConceptSegmenter.model_id`."""
        return self._segmenter.model_id

    @property
    def model_revision(self) -> str:
        """See :meth:`ConceptSegmenter.model_revision`."""
        return self._segmenter.model_revision

    @property
    def device_name(self) -> str:
        """See :meth:`ConceptSegmenter.device_name`."""
        return self._segmenter.device_name

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        """See :meth:`ConceptSegmenter.segment`; images go in one by one, which keep their features.

        Raises:
            DeviceMemoryError: The memory does not do for a single prompt on a single image.
        """

        def segment(image: Image, asked: Sequence[ConceptPrompt]) -> list[Detections]:
            return self._segmenter.segment(
                [image], asked, score_threshold=score_threshold, mask_threshold=mask_threshold
            )[0]

        if not prompts:
            return [segment(image, prompts) for image in images]
        return [
            [found for part in self.limit.run(prompts, lambda asked: segment(image, asked)) for found in part]  # noqa: B023
            for image in images
        ]

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """See :meth:`ClickSegmenter.refine`.

        Raises:
            DeviceMemoryError: The memory does not do for the image.
        """
        model = clickable(self._segmenter)
        [found] = self._clicks.run([prompt], lambda prompts: model.refine(image, prompts[0]))
        return found


def _embed_numbered(
    batch: Sequence[tuple[int, Item]], embed: Callable[[Sequence[Item]], EmbeddingBatch]
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The vectors of numbered items, and the numbers of those that have one."""
    numbers, items = zip(*batch, strict=True)
    embedded = embed(items)
    return embedded.vectors, np.array(numbers, np.int64)[embedded.kept]
