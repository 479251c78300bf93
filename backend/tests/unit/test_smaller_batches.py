"""A model whose memory runs out gets smaller batches from then on, with the same results."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from komadori.core.errors import DeviceMemoryError, KomadoriError
from komadori.core.types import ConceptPrompt, Detections, EmbeddingBatch, Image
from komadori.ml.embedders import fake as fake_embedder
from komadori.ml.segmenters import fake as fake_segmenter
from komadori.ml.smaller_batches import BatchingEmbedder, BatchingSegmenter
from tests.support.embedder_scenes import BLUE, GREEN, RED, plain

NOT_AN_IMAGE = np.zeros((4, 4), np.uint8)
PICTURES = [plain(RED), plain(GREEN), NOT_AN_IMAGE, plain(BLUE), plain(RED), plain(GREEN), plain(BLUE)]


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


MESSAGES: dict[str, Callable[[], Exception]] = {
    "torch, on a card": lambda: OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CUDA itself": lambda: RuntimeError("CUDA error: out of memory"),
    "torch, on the processor": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 50331648 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "Python and numpy": MemoryError,
}


class HungryEmbedder(fake_embedder.FakeEmbedder):
    """Its memory does for so many pictures at once."""

    def __init__(self, most: int, error: Callable[[], Exception]) -> None:
        super().__init__(model_id="hungry", revision="1", batch_size=64)
        self.most = most
        self.error = error
        self.tried: list[int] = []

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        self.tried.append(len(images))
        if len(images) > self.most:
            raise self.error()
        return super().embed_images(images)


class HungrySegmenter:
    """Its memory does for so many prompts at once."""

    model_id, model_revision, device_name = "hungry", "1", "cpu, float32"

    def __init__(self, most: int) -> None:
        self.most = most
        self.tried: list[tuple[int, int]] = []
        self._fake = fake_segmenter.create()

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        self.tried.append((len(images), len(prompts)))
        if len(prompts) > self.most:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self._fake.segment(
            images, prompts, score_threshold=score_threshold, mask_threshold=mask_threshold
        )


@pytest.mark.parametrize("error", MESSAGES.values(), ids=list(MESSAGES))
def test_the_batch_is_halved_until_it_goes_and_the_vectors_are_the_same(
    error: Callable[[], Exception],
) -> None:
    hungry = HungryEmbedder(2, error)
    embedder = BatchingEmbedder(hungry)

    batch = embedder.embed_images(PICTURES)

    expected = fake_embedder.create().embed_images(PICTURES)
    assert hungry.tried == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert batch.kept.tolist() == expected.kept.tolist() == [0, 1, 3, 4, 5, 6]
    np.testing.assert_array_equal(batch.vectors, expected.vectors)


def test_the_smaller_batch_is_remembered_and_told() -> None:
    hungry = HungryEmbedder(3, MemoryError)
    embedder = BatchingEmbedder(hungry)
    assert (embedder.batch_size, embedder.limit.remark) == (64, None)
    embedder.embed_images(PICTURES[:6])
    hungry.tried.clear()

    embedder.embed_images(PICTURES[:6])

    assert hungry.tried == [3, 3]
    assert embedder.batch_size == 3
    assert embedder.limit.remark == "at most 3 pictures at once, for want of memory"


def test_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    embedder = BatchingEmbedder(HungryEmbedder(4, MESSAGES["torch, on a card"]))

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            embedder.embed_images(PICTURES)

    [record] = [r for r in caplog.records if "memory ran out" in r.message and "with 7" in r.message]
    assert record.message.endswith("at most 3 from now on: CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert len(caplog.records) == 1


def test_when_not_even_one_goes_the_error_says_what_is_needed() -> None:
    embedder = BatchingEmbedder(HungryEmbedder(0, MESSAGES["torch, on a card"]))

    with pytest.raises(DeviceMemoryError) as caught:
        embedder.embed_images(PICTURES)

    error = caught.value
    assert (error.code, error.is_retryable) == ("out-of-memory", True)
    assert "one of its pictures at a time" in error.message
    assert "Tried to allocate 2.00 GiB." in error.message
    assert "MiB are free" in error.message
    assert "KOMADORI_EMBEDDER" in error.hint


def test_another_error_passes_through() -> None:
    embedder = BatchingEmbedder(HungryEmbedder(0, lambda: RuntimeError("a bug")))

    with pytest.raises(RuntimeError, match="a bug"):
        embedder.embed_images(PICTURES)


def test_a_picture_alone_and_no_picture_give_what_the_model_gives() -> None:
    embedder = BatchingEmbedder(fake_embedder.create())

    assert embedder.embed_images([NOT_AN_IMAGE]).kept.tolist() == []
    assert embedder.embed_images([]).vectors.shape == (0, embedder.space.dim)
    assert len(embedder.embed_texts(["red", "blue"])) == 2


def test_prompts_are_asked_in_smaller_groups_with_the_same_answers() -> None:
    prompts = [
        ConceptPrompt(class_name=word, text=word) for word in ("red", "green", "blue", "white", "black")
    ]
    hungry = HungrySegmenter(2)
    segmenter = BatchingSegmenter(hungry)
    images = [plain(RED), plain(BLUE)]

    found = segmenter.segment(images, prompts, score_threshold=0.1, mask_threshold=0.5)

    expected = fake_segmenter.create().segment(images, prompts, score_threshold=0.1, mask_threshold=0.5)
    assert [[d.xyxy.tolist() for d in image] for image in found] == [
        [d.xyxy.tolist() for d in image] for image in expected
    ]
    assert hungry.tried == [(1, 5), (1, 2), (1, 2), (1, 1), (1, 2), (1, 2), (1, 1)]
    assert segmenter.limit.remark == "at most 2 prompts at once, for want of memory"


def test_a_prompt_for_which_the_memory_does_not_do_is_an_error() -> None:
    segmenter = BatchingSegmenter(HungrySegmenter(0))

    with pytest.raises(KomadoriError, match="one of its prompts at a time"):
        segmenter.segment(
            [plain(RED)], [ConceptPrompt("red", "red")], score_threshold=0.1, mask_threshold=0.5
        )
