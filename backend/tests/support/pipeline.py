"""The services from the video file to the dataset, in this process: all is real but the broker."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from komadori.bootstrap import WorkerParts, open_context, prepare_home
from komadori.core import absent_words
from komadori.core.types import (
    Annotation,
    ClickPrompt,
    ConceptPrompt,
    Detections,
    EmbeddingBatch,
    EmbeddingSpace,
    Frame,
    Image,
    Job,
    JobState,
    JsonDict,
    Queue,
    Refinement,
    Video,
)
from komadori.db.repositories import annotations, videos
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.db.repositories.annotations import Filter
from komadori.db.repositories.chunks import Issue
from komadori.media.base import SegmentReport
from komadori.media.extract import extract_segment
from komadori.media.segments import Segment
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter, clickable
from komadori.queueing.inline import InlineQueue
from komadori.services import ingest, jobs
from komadori.services.context import Context
from komadori.settings import Settings


@dataclass(slots=True)
class CountingEmbedder:
    """An embedder that remembers what went through it; ``before_images`` runs ahead of each batch.

    It says nothing of the words that searches are compared with.
    """

    model: ImageTextEmbedder
    batch_size: int = 64
    calls: list[str] = field(default_factory=list)
    before_images: Callable[[], object] = lambda: None

    @property
    def space(self) -> EmbeddingSpace:
        return self.model.space

    @property
    def device_name(self) -> str:
        return self.model.device_name

    def embed_images(self, images: Sequence[Image]) -> EmbeddingBatch:
        self.before_images()
        self.calls.append(f"{len(images)} images")
        return self.model.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        if not set(absent_words.WORDS).issuperset(texts):
            self.calls.append(f"texts {', '.join(texts)}")
        return self.model.embed_texts(texts)


@dataclass(slots=True)
class CountingSegmenter:
    """A segmenter that remembers which prompts it was asked for each image; it can take another name."""

    model: ConceptSegmenter
    model_id: str = "fake"
    model_revision: str = "1"
    device_name: str = "cpu"
    calls: list[list[str]] = field(default_factory=list)

    def segment(
        self,
        images: Sequence[Image],
        prompts: Sequence[ConceptPrompt],
        *,
        score_threshold: float,
        mask_threshold: float,
    ) -> list[list[Detections]]:
        self.calls += [[prompt.class_name for prompt in prompts] for _ in images]
        return self.model.segment(
            images, prompts, score_threshold=score_threshold, mask_threshold=mask_threshold
        )

    def refine(self, image: Image, prompt: ClickPrompt) -> Refinement:
        self.calls.append([f"{len(prompt.points_xy)} points"])
        return clickable(self.model).refine(image, prompt)


@dataclass(slots=True)
class Pipeline:
    """An installation with workers that do at once what they are told of."""

    ctx: Context
    queue: InlineQueue
    embedder: CountingEmbedder
    segmenter: CountingSegmenter
    work: dict[str, jobs.ChunkWork]

    def run(self, chunk_id: int) -> JobState | None:
        return jobs.run_chunk(self.ctx, chunk_id, self.work, "inline")

    def hold(self) -> None:
        """Let work wait, as when no worker runs."""
        self.queue.run_chunk = lambda _chunk_id: None

    def run_waiting(self, job_id: int) -> None:
        """Do the chunks of a job that wait now; those that they add wait on."""
        with self.ctx.sessions.read() as session:
            waiting = [c.id for c in chunk_rows.of_job(session, job_id) if c.state is JobState.QUEUED]
        for chunk_id in waiting:
            self.run(chunk_id)

    def add(self, path: Path, sampling: JsonDict, project: str = "default") -> Job:
        """Ingest a file: its job, as it is when nothing is left to do."""
        return self.job(ingest.request(self.ctx, str(path), project, sampling).id)

    def job(self, job_id: int) -> Job:
        with self.ctx.sessions.read() as session:
            return rows.get(session, job_id)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        with self.ctx.sessions.read() as session:
            return rows.page(session, limit=100)

    def children(self, job_id: int) -> list[Job]:
        with self.ctx.sessions.read() as session:
            return rows.page(session, limit=100, parent_id=job_id)

    def issues(self, job_id: int) -> list[Issue]:
        with self.ctx.sessions.read() as session:
            return chunk_rows.issues(session, job_id)

    def videos(self) -> list[Video]:
        with self.ctx.sessions.read() as session:
            return videos.page(session)

    def frames(self, job: Job) -> list[Frame]:
        """The frames of the sampling that an ingest asked for."""
        video_id, sampling_id = int(job.result["video_id"]), int(job.result["sampling_id"])
        with self.ctx.sessions.read() as session:
            return videos.frames_page(session, video_id, sampling_id=sampling_id)

    def all_frames(self, video_id: int) -> list[Frame]:
        with self.ctx.sessions.read() as session:
            return videos.frames_page(session, video_id)

    def annotations(self, **which: Any) -> list[Annotation]:
        with self.ctx.sessions.read() as session:
            return annotations.page(session, Filter(**which))

    def damage(self, frame_id: int) -> bytes:
        """Make the stored picture of a frame unreadable: what it was."""
        with self.ctx.sessions.read() as session:
            key = videos.get_frame(session, frame_id).image_key
        before = self.ctx.blobs.get(key)
        self.ctx.blobs.put(key, b"no picture")
        return before

    def mend(self, frame_id: int, picture: bytes) -> None:
        """Put a stored picture back."""
        with self.ctx.sessions.read() as session:
            self.ctx.blobs.put(videos.get_frame(session, frame_id).image_key, picture)


@contextmanager
def pipeline(
    home: Path, *, embedder_model: ImageTextEmbedder | None = None, **options: Any
) -> Iterator[Pipeline]:
    """An installation on a folder, which may be another's too; options are those of the settings."""
    values: dict[str, Any] = {
        "embedder": "fake",
        "segmenter": "fake",
        "query_timeout_s": 5.0,
        "exports": home.with_name(f"{home.name}-exports"),
        **options,
    }
    settings = Settings(_env_file=None, home=home, **values)
    home.mkdir(parents=True, exist_ok=True)
    database = home / "komadori.db"
    if settings.database_url is None and not database.exists():
        database.write_bytes(_empty_database())
    queue = InlineQueue()
    ctx = open_context(settings, queue)
    parts = {name: WorkerParts(settings, name, ctx) for name in Queue}
    for part in parts.values():
        part.load()
    siglip, sam3 = parts[Queue.SIGLIP], parts[Queue.SAM3]
    assert siglip._embedder is not None
    assert sam3._segmenter is not None
    segmenter = CountingSegmenter(sam3._segmenter, sam3._segmenter.model_id, sam3._segmenter.model_revision)
    embedder = CountingEmbedder(embedder_model or siglip._embedder)
    siglip._embedder, sam3._segmenter = embedder, segmenter
    work = {kind: run for part in parts.values() for kind, run in part.work_by_kind().items()}
    made = Pipeline(ctx, queue, embedder, segmenter, work)
    queue.run_chunk = made.run
    queue.run_query = lambda query_id: siglip.answer_query(query_id) or sam3.answer_query(query_id)
    yield made
    ctx.sessions.close()


@cache
def _empty_database() -> bytes:
    """What :func:`prepare_home` makes; its migrations take longer than most of the tests here."""
    with tempfile.TemporaryDirectory() as folder:
        prepare_home(Settings(_env_file=None, home=Path(folder), database_url=None))
        return (Path(folder) / "komadori.db").read_bytes()


def sampling(name: str, *, skip_near_duplicates: bool = False, **parameters: object) -> JsonDict:
    """A sampling as requests have it."""
    return {"sampler": name, "parameters": parameters, "skip_near_duplicates": skip_near_duplicates}


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A list that grows by the wanted decode indices of each decoding child, which runs all the same."""
    children: list[tuple[int, ...]] = []

    def counted(path: Path, facts: Any, index: Any, segment: Segment, out: Path, **how: Any) -> SegmentReport:
        children.append(segment.targets)
        return extract_segment(path, facts, index, segment, out, **how)

    monkeypatch.setattr(ingest, "extract_segment", counted)
    return children
