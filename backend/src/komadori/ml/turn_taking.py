"""Models that ask for their card's turn before they use it."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from komadori.core.device_turns import NoTurns, Turns
from komadori.core.types import (
    ClickPrompt,
    ConceptPrompt,
    Detections,
    EmbeddingBatch,
    EmbeddingSpace,
    Image,
    Refinement,
)
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter, clickable

_turns_of_load: ContextVar[Turns] = ContextVar("turns_of_load")


@contextmanager
def loading_in_turn(turns: Turns) -> Iterator[None]:
    """Let the weights of models that are loaded in the block go to the card in a turn.

    Only that: imports and reading from a cold disk take far longer, and a search would wait for them.
    """
    token = _turns_of_load.set(turns)
    try:
        yield
    finally:
        _turns_of_load.reset(token)


def turn_for_weights() -> AbstractContextManager[None]:
    """The turn in which to put weights on the card, see :func:`loading_in_turn`."""
    return _turns_of_load.get(NoTurns()).turn()


class TurnTakingEmbedder:
    """See :class:`~komadori.ml.embedders.base.ImageTextEmbedder`."""

    def __init__(self, embedder: ImageTextEmbedder, turns: Turns) -> None:
        self._embedder = embedder
        self._turns = turns

    @property
    def space(self) -> EmbeddingSpace:
        """See :meth:`ImageTextEmbedder.space`."""
        return self._embedder.space

    @property
    def batch_size(self) -> int:
        """See :meth:`ImageTextEmbedder.batch_size`."""
        return self._embedder.batch_size

    @property
    def device_name(self) -> str:
        """See :meth:`ImageTextEmbedder.device_name`."""
        return self._embedder.device_name

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_images`."""
        with self._turns.turn():
            return self._embedder.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_texts`."""
        with self._turns.turn():
            return self._embedder.embed_texts(texts)


class TurnTakingSegmenter:
    """See :class:`~komadori.ml.segmenters.base.ConceptSegmenter`; it passes clicks on, too."""

    def __init__(self, segmenter: ConceptSegmenter, turns: Turns) -> None:
        self._segmenter = segmenter
        self._turns = turns

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
        """See :meth:`ConceptSegmenter.segment`."""
        with self._turns.turn():
            return self._segmenter.segment(
                images, prompts, score_threshold=score_threshold, mask_threshold=mask_threshold
            )

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        """See :meth:`ClickSegmenter.refine`."""
        with self._turns.turn():
            return clickable(self._segmenter).refine(image, prompt)
