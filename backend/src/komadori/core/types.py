"""The vocabulary of the system, as frozen dataclasses whose shapes are checked once.

Conventions that hold everywhere inside: boxes are float32 xyxy in pixels of the
decoded, upright frame; masks are :class:`~komadori.core.masks.Rle`; images are uint8
RGB (H, W, 3); time is an integer pts and a time base, seconds are derived; vectors
are float32 of unit norm.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from komadori.core.masks import Rle

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

JsonDict = dict[str, Any]


class VideoState(StrEnum):
    """How far a video has come."""

    QUEUED = "queued"
    EXTRACTING = "extracting"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"
    """Gone for everybody but the job that removes what is left of it."""


class AnnotationStatus(StrEnum):
    """What a person has decided about an annotation."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class AnnotationSource(StrEnum):
    """Who made an annotation."""

    MODEL = "model"
    PERSON = "person"


class JobState(StrEnum):
    """The state of a job, and of a chunk; only jobs are paused, their chunks stay queued."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen without a new request."""
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class ItemOutcome(StrEnum):
    """How an item ended that is not done."""

    SKIPPED = "skipped"
    FAILED = "failed"


class Queue(StrEnum):
    """The three queues; each has workers of its own."""

    DEFAULT = "default"
    SIGLIP = "siglip"
    SAM3 = "sam3"


class WorkerState(StrEnum):
    """How a worker process is, as it last reported."""

    LOADING = "loading"
    READY = "ready"
    WAITING = "waiting for model"


class Priority(StrEnum):
    """Who goes first in a queue: a person who waits, or bulk work."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Project:
    """Videos, classes, runs and exports belong to one project."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Video:
    """A video file as it was found.

    ``width`` and ``height`` are those of the upright picture in square pixels, that
    is of every frame taken from it.
    """

    id: int
    project_id: int
    sha256: str
    name: str
    source_uri: str
    size_bytes: int
    container: str
    codec: str
    duration_s: float
    width: int
    height: int
    rotation: int
    stream_index: int
    time_base: Fraction
    start_pts: int
    state: VideoState
    error: str | None
    facts: JsonDict
    frame_count: int = 0
    created_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture, named by its place in the stream and never by index / fps.

    ``decode_index`` counts the visible frames of the stream in presentation order;
    ``width`` and ``height`` are those of the stored, upright picture; ``mean_colour`` is 0xRRGGBB, None
    for frames that were stored before it was kept.
    """

    id: int
    video_id: int
    stream_index: int
    decode_index: int
    pts: int
    time_base: Fraction
    width: int
    height: int
    image_key: str
    thumbnail_key: str
    image_sha256: str
    perceptual_hash: str
    is_key: bool
    is_suspect: bool
    transform: JsonDict
    mean_colour: int | None = None

    @property
    def pts_s(self) -> float:
        """The presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class FrameCandidate:
    """A visible frame as the packet index knows it, in presentation order, before it is decoded."""

    decode_index: int
    pts: int
    time_base: Fraction
    is_key: bool

    @property
    def time(self) -> Fraction:
        """The exact presentation time in seconds."""
        return self.pts * self.time_base


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Which vectors can be compared with each other.

    Two vectors are comparable only when model, revision, preprocessing and dimension
    are all the same.
    """

    model_id: str
    revision: str
    preprocessing_hash: str
    dim: int

    @property
    def key(self) -> str:
        """A name that is safe in paths and unique to the space: what people read, and a hash of it all."""
        identity = json.dumps([self.model_id, self.revision, self.preprocessing_hash, self.dim])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
        return f"{re.sub('[^A-Za-z0-9_.-]+', '-', self.model_id)[-60:]}-{self.dim}-{digest}"


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingBatch:
    """The vectors of those inputs that could be embedded.

    Attributes:
        vectors: (K, D) float32 of unit norm.
        kept: (K,) int64, the position of each vector's input.
    """

    vectors: NDArray[np.float32]
    kept: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.kept.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"expected vectors (K, D) and kept (K,), got {self.vectors.shape} and {self.kept.shape}"
            )
        if self.vectors.dtype != np.float32 or self.kept.dtype != np.int64:
            raise ValueError(
                f"expected float32 vectors and int64 kept, got {self.vectors.dtype} and {self.kept.dtype}"
            )
        norms = np.linalg.norm(self.vectors, axis=1)
        if not np.all(np.abs(norms - 1.0) < 1e-3):
            raise ValueError("expected vectors of unit norm without NaN")

    def __len__(self) -> int:
        return int(self.vectors.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class ConceptPrompt:
    """What to look for in a frame: words, exemplar boxes, points, or a mix.

    Attributes:
        class_name: The class that the detections get.
        text: A noun phrase, or None when only boxes or points are given.
        boxes_xyxy: (B, 4) float32 pixels, exemplars in this very frame.
        box_is_positive: (B,) bool, False for "not this".
        points_xy: (Q, 2) float32 pixels.
        point_is_positive: (Q,) bool.
    """

    class_name: str
    text: str | None
    boxes_xyxy: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    box_is_positive: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    points_xy: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    point_is_positive: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        n_boxes, n_points = len(self.boxes_xyxy), len(self.points_xy)
        if self.boxes_xyxy.shape != (n_boxes, 4) or self.box_is_positive.shape != (n_boxes,):
            raise ValueError("expected boxes_xyxy (B, 4) with box_is_positive (B,)")
        if self.points_xy.shape != (n_points, 2) or self.point_is_positive.shape != (n_points,):
            raise ValueError("expected points_xy (Q, 2) with point_is_positive (Q,)")
        if not self.text and not n_boxes and not n_points:
            raise ValueError("expected a text, a box or a point, got none of them")


@dataclass(frozen=True, slots=True, eq=False)
class ClickPrompt:
    """What tells one object in a frame from everything else: points, a box around it, a former mask.

    Attributes:
        points_xy: (Q, 2) float32 pixels.
        point_is_positive: (Q,) bool, False for "this does not belong to it".
        box_xyxy: (4,) float32 pixels, or None.
        mask: In the size of the frame, what is to be refined, or None.
    """

    points_xy: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    point_is_positive: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    box_xyxy: NDArray[np.float32] | None = None
    mask: Rle | None = None

    def __post_init__(self) -> None:
        n_points = len(self.points_xy)
        if self.points_xy.shape != (n_points, 2) or self.point_is_positive.shape != (n_points,):
            raise ValueError("expected points_xy (Q, 2) with point_is_positive (Q,)")
        if self.box_xyxy is not None and self.box_xyxy.shape != (4,):
            raise ValueError(f"expected box_xyxy (4,) or None, got {self.box_xyxy.shape}")


@dataclass(frozen=True, slots=True)
class Refinement:
    """The object that an :class:`ClickPrompt` means.

    Attributes:
        mask: In the size of the frame; it may be empty.
        confidence: How well the mask fits the object, as the model judges it, in [0, 1].
    """

    mask: Rle
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a segmenter found in one image for one prompt, as a struct of arrays.

    Attributes:
        xyxy: (N, 4) float32 pixels of the upright frame.
        confidence: (N,) float32 in [0, 1].
        masks: N masks in the size of the frame, or None.
        class_names: N names.
        track_ids: (N,) int64, or None.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    masks: Sequence[Rle] | None
    class_names: Sequence[str]
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.confidence)
        if self.xyxy.shape != (n, 4) or self.confidence.shape != (n,):
            raise ValueError(
                f"expected xyxy (N, 4) and confidence (N,), got {self.xyxy.shape} and {self.confidence.shape}"
            )
        if len(self.class_names) != n or (self.masks is not None and len(self.masks) != n):
            raise ValueError(f"expected {n} class names and {n} masks or None")
        if self.track_ids is not None and self.track_ids.shape != (n,):
            raise ValueError(f"expected track_ids ({n},), got {self.track_ids.shape}")

    def __len__(self) -> int:
        return int(self.confidence.shape[0])

    @staticmethod
    def empty() -> "Detections":
        """No detection at all."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), [], [])


@dataclass(frozen=True, slots=True)
class Annotation:
    """A labelled object in a frame, proposed by a model or made by a person.

    Attributes:
        created_by: Who drew it; None for a proposal, and where nobody said.
        changed_s: When a person last drew, changed or decided it; None for an untouched proposal.
        changed_by: Who that was, where they said so.
    """

    id: int
    frame_id: int
    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    mask: Rle | None
    confidence: float | None
    source: AnnotationSource
    status: AnnotationStatus
    revision: int
    track_id: int | None
    run_id: int | None
    prompt: str | None
    created_s: float
    created_by: str | None
    changed_s: float | None
    changed_by: str | None


@dataclass(frozen=True, slots=True)
class FormerState:
    """What an annotation was in an earlier revision, and when who ended that."""

    revision: int
    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    mask: Rle | None
    confidence: float | None
    source: AnnotationSource
    status: AnnotationStatus
    track_id: int | None
    changed_s: float
    changed_by: str | None


@dataclass(frozen=True, slots=True)
class AnnotationRun:
    """One request to annotate: the model, what it was asked and with which thresholds."""

    id: int
    project_id: int
    model_id: str
    model_revision: str
    prompts: Sequence[str]
    thresholds: JsonDict
    created_s: float


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """How many annotations a class has, and in how many frames; rejected ones count for no frame."""

    name: str
    n_accepted: int
    n_proposed: int
    n_rejected: int
    n_frames: int


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """How much of a project is there, and how much of it is reviewed."""

    n_videos: int
    n_frames: int
    n_frames_with_proposals: int
    n_frames_accepted: int
    n_annotations: int
    classes: Sequence[ClassSummary]


@dataclass(frozen=True, slots=True)
class Job:
    """Long work, split into chunks; the counts are items (frames), not chunks."""

    id: int
    kind: str
    project_id: int
    parameters: JsonDict
    state: JobState
    total: int
    done: int
    skipped: int
    failed: int
    error: str | None
    result: JsonDict
    parent_id: int | None
    is_cancel_requested: bool
    created_s: float
    started_s: float | None
    finished_s: float | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a job that one worker does in one transaction."""

    id: int
    job_id: int
    position: int
    kind: str
    queue: Queue
    payload: JsonDict
    state: JobState
    attempts: int
    deaths: int
    owner: str | None
    lease_until_s: float | None
    error: str | None
    total: int
    done: int
    skipped: int
    failed: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A frame and how well it answers the query."""

    frame_id: int
    video_id: int
    pts_s: float
    score: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Neighbouring hits of one video, merged."""

    video_id: int
    from_pts_s: float
    to_pts_s: float
    best_frame_id: int
    score: float
