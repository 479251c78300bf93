"""An embedder that looks at colours only, for tests and for trying things without a model.

It is deterministic and needs numpy only, and its answers mean something: a text that names a colour
is near the pictures with much of that colour, and pictures are near each other when they have the
same colours in the same quarters.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from komadori.core.types import EmbeddingBatch, EmbeddingSpace, Image
from komadori.ml.embedders._inputs import check_batch_size, is_usable
from komadori.ml.embedders.base import ImageTextEmbedder

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "green": (30, 160, 40),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 40),
    "orange": (240, 140, 30),
    "purple": (130, 40, 160),
    "pink": (240, 130, 180),
    "brown": (120, 75, 40),
    "cyan": (40, 200, 220),
}

SOFTNESS = 60.0
"""The distance in RGB over which one colour's name gives way to the next."""

SAMPLES_PER_SIDE = 32
N_BLOCKS = 5
"""The whole picture and its four quarters."""

N_WORD_VALUES = 4
"""What is left for texts without a colour: a direction that depends on the words."""

DIM = N_BLOCKS * len(COLOURS) + N_WORD_VALUES


class FakeEmbedder:
    """See :class:`~komadori.ml.embedders.base.ImageTextEmbedder`."""

    device_name = "cpu, float32, numpy"

    def __init__(self, *, model_id: str, revision: str, batch_size: int) -> None:
        self.space = EmbeddingSpace(model_id, revision, "colours-of-five-blocks", DIM)
        self.batch_size = batch_size

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_images`."""
        kept = [position for position, image in enumerate(images) if is_usable(image)]
        return _to_batch([_image_vector(images[position]) for position in kept], kept)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """See :meth:`ImageTextEmbedder.embed_texts`."""
        return _to_batch([_text_vector(text) for text in texts], range(len(texts)))


def create(
    source: str | Path = "fake",
    *,
    revision: str | None = None,
    model_id: str | None = None,
    batch_size: int | None = None,
    **_options: object,
) -> ImageTextEmbedder:
    """The fake embedder; it reads nothing from ``source``, and runs on the CPU whatever is asked for.

    Raises:
        InputError: ``batch_size`` is less than 1.
    """
    check_batch_size(batch_size)
    return FakeEmbedder(
        model_id=model_id or Path(source).name, revision=revision or "1", batch_size=batch_size or 64
    )


def _image_vector(image: Image) -> NDArray[np.float32]:
    """The square roots of how much of each colour is in each block, so that products are overlaps."""
    rows, columns = (
        np.linspace(0, side - 1, SAMPLES_PER_SIDE).round().astype(int) for side in image.shape[:2]
    )
    pixels = image[rows[:, None], columns].astype(np.float32)
    palette = np.array(list(COLOURS.values()), np.float32)
    squared = ((pixels[:, :, None] - palette) ** 2).sum(axis=3)
    nearness = np.exp(-(squared - squared.min(axis=2, keepdims=True)) / SOFTNESS**2)
    shares = nearness / nearness.sum(axis=2, keepdims=True)
    half = SAMPLES_PER_SIDE // 2
    quarters = [shares[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
    blocks = [block.mean(axis=(0, 1)) for block in (shares, *quarters)]
    return np.concatenate([np.sqrt(np.concatenate(blocks)), np.zeros(N_WORD_VALUES)]).astype(np.float32)


def _text_vector(text: str) -> NDArray[np.float32]:
    """The vector of a picture that has the named colours everywhere, plus a trace of the words."""
    words = text.lower().split()
    named = np.array([float(colour in words) for colour in COLOURS], np.float32)
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    trace = np.frombuffer(digest[:N_WORD_VALUES], np.uint8) / 255 - 0.5 + 1e-3
    return np.concatenate([np.tile(named, N_BLOCKS), 0.1 * trace]).astype(np.float32)


def _to_batch(vectors: Sequence[NDArray[np.float32]], kept: Sequence[int]) -> EmbeddingBatch:
    if not vectors:
        return EmbeddingBatch(np.zeros((0, DIM), np.float32), np.zeros(0, np.int64))
    stacked = np.stack(vectors)
    unit = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return EmbeddingBatch(unit, np.array(kept, np.int64))
