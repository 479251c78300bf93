"""How large a batch the doctor takes, shown on a card whose memory is counted here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

import pytest

from komadori.core.device_turns import NoTurns
from komadori.core.types import EmbeddingBatch, Image
from komadori.doctor import model_run
from komadori.ml.device_memory import Peak, is_out_of_memory, memory_of
from komadori.ml.embedders.fake import FakeEmbedder

GB = 10**9


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@dataclass
class Card:
    """A card of which the model holds 2 GB and a picture takes one more."""

    total: int
    taken: int = 2 * GB
    name: str = "a card"

    def forget_peak(self) -> None:
        self.taken = 2 * GB

    def peak(self) -> Peak:
        return Peak(self.taken, self.taken)

    def available(self) -> int | None:
        return self.total

    def take(self, n_pictures: int) -> None:
        if (2 + n_pictures) * GB > self.total:
            raise OutOfMemoryError("tried to allocate")
        self.taken = max(self.taken, (2 + n_pictures) * GB)


class Embedder(FakeEmbedder):
    """The fake, on a card."""

    def __init__(self, take: Callable[[int], None]) -> None:
        super().__init__(model_id="fake", revision="1", batch_size=model_run.LARGEST_BATCH)
        self._take = take

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        self._take(len(images))
        return super().embed_images(images)


def batches(card: Card, tmp_path: Path, *, largest: int = 256, seconds: float = 60) -> list[int]:
    report = model_run.Report(tmp_path / "report.json", time.monotonic() + seconds)
    costs = model_run._measure_batches(
        Embedder(card.take), card, NoTurns(), report, largest=largest, guess_s=0.001
    )
    return [cost["batch"] for cost in costs]


@pytest.mark.parametrize(
    ("total_gb", "largest_that_fits"),
    [(3, 1), (4, 1), (6, 2), (9, 4), (12, 4), (13, 8)],
)
def test_a_batch_leaves_a_fifth_of_the_card_to_others(
    total_gb: int, largest_that_fits: int, tmp_path: Path
) -> None:
    assert batches(Card(total_gb * GB), tmp_path)[-1] == largest_that_fits


def test_a_large_card_ends_the_search_at_the_limit(tmp_path: Path) -> None:
    assert batches(Card(10_000 * GB), tmp_path, largest=16) == [1, 2, 4, 8, 16]


def test_a_card_without_room_for_a_single_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError):
        batches(Card(2 * GB), tmp_path)


def test_without_time_only_the_first_batch_is_measured(tmp_path: Path) -> None:
    assert batches(Card(100 * GB), tmp_path, seconds=0) == [1]


def test_a_wrapped_lack_of_memory_is_one() -> None:
    wrapped = RuntimeError("could not be loaded")
    wrapped.__cause__ = OutOfMemoryError("tried to allocate")

    assert is_out_of_memory(wrapped)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("another"))


def test_the_memory_of_a_process_has_a_peak_that_can_be_forgotten() -> None:
    memory = memory_of("cpu, float32")
    assert memory.available() is None
    with mmap(-1, 50_000_000) as block:  # of the kernel: what malloc gives may be kept by malloc
        block.write(bytes(len(block)))
        high = memory.peak().used
    memory.forget_peak()

    assert high - memory.peak().used > 40_000_000
