"""What the API answers, as far as the command line looks at it.

``as_json`` gives the shape that ``--json`` prints. It is a contract: fields are added to
it with care and never renamed.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from komadori.core.types import JobState, JsonDict, WorkerState


class Answer(BaseModel):
    """A part of an answer; fields that are not listed here are ignored.

    Attributes:
        unpublished: Fields that only people see, not ``--json``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    unpublished: ClassVar[frozenset[str]] = frozenset()

    def as_json(self) -> JsonDict:
        """The fields that ``--json`` prints."""
        return self.model_dump(mode="json", exclude=set(self.unpublished))


class Page(Answer):
    """One page of a list; ``next_cursor`` is None on the last."""

    items: Sequence[JsonDict]
    total: int
    next_cursor: str | None = None


class Session(Answer):
    """How the API is entered."""

    has_ui: bool


class Project(Answer):
    """A project."""

    id: str
    name: str


class Video(Answer):
    """A video; ``frames`` is how many are extracted."""

    id: str
    name: str
    sha256: str
    duration_s: float
    width: int
    height: int
    rotation: int
    frames: int
    state: str


class ClassCount(Answer):
    """A class, and how many annotations of it there are."""

    name: str
    n: int


class ExportPreview(Answer):
    """What an export would hold; ``samples`` are ids of frames."""

    n_images: int
    n_annotations: int
    classes: Sequence[ClassCount]
    samples: Sequence[str]
    warnings: Sequence[str]


class Upload(Answer):
    """A file that is sent to the API; ``offset`` is how many of its bytes have come."""

    id: str
    size_bytes: int
    offset: int


class Frame(Answer):
    """A frame; ``time_base`` is "num/den" and ``image`` the path of its picture on the API."""

    id: str
    video_id: str
    index: int
    pts: int
    time_base: str
    pts_s: float
    width: int
    height: int
    image: str


class Hit(Answer):
    """A frame that answers a search; ``band`` says what its score is worth."""

    frame_id: str
    video_id: str
    pts_s: float
    score: float
    band: Literal["strong", "maybe", "none"] = "maybe"


class Moment(Answer):
    """A stretch of a video that answers a search."""

    video_id: str
    from_pts_s: float
    to_pts_s: float
    best_frame_id: str
    score: float


class ScoreScale(Answer):
    """What scores are worth among the frames that were searched."""

    null_mean: float
    null_std: float
    n_null: int
    strong_from: float
    maybe_from: float
    n_strong: int
    n_maybe: int


class SearchAnswer(Answer):
    """The hits of a search, best first; ``n_searched`` frames were looked at.

    Without a ``scale`` there were too few of them to say what the scores are worth.
    """

    unpublished = frozenset({"n_searched"})

    query: str
    hits: Sequence[Hit]
    moments: Sequence[Moment]
    n_searched: int = 0
    scale: ScoreScale | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether nothing here matches, by all that can be said."""
        return self.scale is not None and not self.scale.n_strong + self.scale.n_maybe


class Segmentation(Answer):
    """A mask in COCO's compressed run lengths; ``size`` is height and width."""

    size: tuple[int, int]
    counts: str


class Annotation(Answer):
    """A labelled object in a frame; ``bbox_xyxy`` in pixels."""

    id: str
    frame_id: str
    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    confidence: float | None
    status: str
    track_id: int | str | None = None
    segmentation: Segmentation | None = None


class Revision(Answer):
    """What an annotation is, or was in an earlier revision."""

    revision: int
    class_name: str
    status: str
    source: str
    bbox_xyxy: tuple[float, float, float, float]
    confidence: float | None
    segmentation: Segmentation | None = None
    changed_s: float | None
    changed_by: str | None


class LatestRevision(Revision):
    """What an annotation is now, with its origin."""

    created_s: float
    created_by: str | None


class Chunk(Answer):
    """A part of a job."""

    id: str
    position: int
    kind: str
    queue: str
    state: JobState
    attempts: int
    total: int
    done: int
    skipped: int
    failed: int
    error: str | None


class Job(Answer):
    """Long work; the counts are items such as frames. ``chunks`` may be only the first of them."""

    unpublished = frozenset(
        {
            *("parent_id", "children", "n_chunks", "waits_for"),
            *("result", "parameters", "created_s", "rate_per_s", "seconds_left"),
        }
    )

    id: str
    kind: str
    state: JobState
    total: int
    done: int
    skipped: int
    failed: int
    error: str | None
    chunks: Sequence[Chunk] = ()
    n_chunks: int = 0
    waits_for: Sequence[str] = ()
    parent_id: str | None = None
    children: Sequence[str] = ()
    result: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    created_s: float = 0.0
    rate_per_s: float | None = None
    seconds_left: float | None = None

    @property
    def n_ended(self) -> int:
        """Items that are done, skipped or failed."""
        return self.done + self.skipped + self.failed


class Issue(Answer):
    """An item of a job that did not go through, and why."""

    item: str
    outcome: str
    reason: str


class Worker(Answer):
    """A worker process as it last reported; ``detail`` is for people."""

    queue: str
    state: WorkerState
    detail: str
    seen_s: float = 0.0

    @property
    def topic(self) -> str:
        """The detail without its numbers: it stays the same while a download gets on."""
        return re.sub(r"[\d.]+", "", self.detail)
