"""What every service gets: the ports, already connected, and the options of the installation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from komadori.core.types import EmbeddingSpace
from komadori.db.session import Sessions
from komadori.queueing.base import JobQueue
from komadori.storage.base import BlobStore
from komadori.vectors.base import VectorIndex


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that services look at, as plain values."""

    embedder: str
    segmenter: str
    jpeg_quality: int
    thumbnail_size: int
    decode_chunk_s: float
    embed_chunk_frames: int
    annotate_chunk_frames: int
    score_threshold: float
    mask_threshold: float
    lease_s: float
    max_attempts: int
    query_timeout_s: float
    upload_max_bytes: int
    upload_expires_s: float


@dataclass(slots=True)
class ReaperMemory:
    """What the reaper of this process remembers between two rounds, by a clock that stands still in sleep.

    Attributes:
        silent_since: When a lease was first found run out, by chunk and owner.
        clock_ahead_s: By how much the clock of the wall was ahead of that other one.
        woke_up_s: When the clock of the wall had last gone further than the other one.
    """

    silent_since: dict[tuple[int, str], float] = field(default_factory=dict)
    clock_ahead_s: float = math.inf
    woke_up_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class Context:
    """One for each process, made by the bootstrap; ``actor`` is the person for whom it works, if known."""

    home: Path
    exports: Path
    sessions: Sessions
    blobs: BlobStore
    queue: JobQueue
    index_of: Callable[[EmbeddingSpace], VectorIndex]
    options: Options
    memory: ReaperMemory = field(default_factory=ReaperMemory)
    scales: dict[Any, Any] = field(default_factory=dict)
    """What ``services.score_scale`` keeps between two searches."""
    actor: str | None = None

    def acting_as(self, actor: str | None) -> "Context":
        """The same for what a person does, under whose name it is kept."""
        return replace(self, actor=actor)
