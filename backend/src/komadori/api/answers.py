"""What the HTTP API answers. Ids are strings, times are seconds (since 1970 where they are dates)."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field

from komadori.api.schemas import ROOT, Segmentation
from komadori.core import progress, types
from komadori.core.types import (
    AnnotationSource,
    AnnotationStatus,
    ItemOutcome,
    JobState,
    Queue,
    VideoState,
)
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as job_rows
from komadori.exporters.base import FormatDescription
from komadori.services import clicks, playback
from komadori.services.dataset_preview import Preview
from komadori.services.score_scale import Band
from komadori.services.search import SearchResult


class Problem(BaseModel):
    """What went wrong (RFC 9457): `code` never changes between releases, `hint` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str


class Project(BaseModel):
    """Videos, classes, runs and exports belong to one project."""

    id: str
    name: str


class ClassName(BaseModel):
    """A class that annotations of a project have."""

    name: str


class ClassSummary(BaseModel):
    """How many annotations a class has; `n_frames` have one that nobody rejected."""

    name: str
    n_accepted: int
    n_proposed: int
    n_rejected: int
    n_frames: int


class Summary(BaseModel):
    """How much of a project is there, and how much of it is reviewed; classes by name."""

    n_videos: int
    n_frames: int
    n_frames_with_proposals: int = Field(description="Frames with a proposal that is not decided")
    n_frames_accepted: int = Field(description="Frames with an accepted annotation")
    n_annotations: int = Field(description="Of every status")
    classes: list[ClassSummary]

    @staticmethod
    def of(summary: types.ProjectSummary) -> "Summary":
        """A summary as it is shown."""
        return Summary.model_validate(asdict(summary))


class Video(BaseModel):
    """A video file; width and height are those of its upright picture."""

    id: str
    name: str
    sha256: str
    project: str
    duration_s: float
    width: int
    height: int
    rotation: int
    frames: int = Field(description="How many frames of it are stored")
    poster_frame_id: str | None = Field(description="A stored frame to show in its place")
    state: VideoState
    error: str | None
    created_s: float
    size_bytes: int

    @staticmethod
    def of(video: types.Video, project: str, poster_frame_id: int | None) -> "Video":
        """A video as it is shown in a list."""
        return Video(**_video_fields(video, project, poster_frame_id))


class VideoDetail(Video):
    """A video with where it came from."""

    source_uri: str
    container: str
    codec: str

    @staticmethod
    def of(video: types.Video, project: str, poster_frame_id: int | None) -> "VideoDetail":
        """A video as it is shown alone."""
        return VideoDetail(
            **_video_fields(video, project, poster_frame_id),
            source_uri=video.source_uri,
            container=video.container,
            codec=video.codec,
        )


class Playback(BaseModel):
    """How a browser can show a video: the file at `url`, which is its source or the proxy made of it."""

    kind: Literal["source", "proxy", "none"]
    url: str | None
    mime: str | None
    reason: str | None = Field(description="Why there is nothing to play")
    job_id: str | None = Field(description="The job that makes a proxy, when it has not ended")
    n_frames: int
    width: int
    height: int

    @staticmethod
    def of(video: types.Video, found: "playback.Playback") -> "Playback":
        """What was found out about playing a video, as it is shown."""
        url = f"{ROOT}/videos/{video.id}/media?v={found.kind}"
        return Playback(
            kind=found.kind,
            url=None if found.kind == "none" else url,
            mime=found.mime,
            reason=found.reason,
            job_id=None if found.job_id is None else str(found.job_id),
            n_frames=int(video.facts["n_frames"]),
            width=video.width,
            height=video.height,
        )


class Frame(BaseModel):
    """A stored frame; `index` counts the visible frames of the video in presentation order."""

    id: str
    video_id: str
    index: int
    pts: int
    time_base: str = Field(description='Seconds for each unit of `pts`, such as "1/12800"')
    pts_s: float
    width: int
    height: int
    image: str = Field(description="The path of the JPEG")
    thumbnail: str = Field(description="The path of the small JPEG")
    mean_colour: str | None = Field(description="Six hexadecimal digits; frames of older versions have none")

    @staticmethod
    def of(frame: types.Frame) -> "Frame":
        """A frame as it is shown."""
        return Frame(
            id=str(frame.id),
            video_id=str(frame.video_id),
            index=frame.decode_index,
            pts=frame.pts,
            time_base=f"{frame.time_base.numerator}/{frame.time_base.denominator}",
            pts_s=frame.pts_s,
            width=frame.width,
            height=frame.height,
            image=f"{ROOT}/frames/{frame.id}/image",
            thumbnail=f"{ROOT}/frames/{frame.id}/thumbnail",
            mean_colour=None if frame.mean_colour is None else f"{frame.mean_colour:06x}",
        )


class Hit(BaseModel):
    """A frame that answers the query, and how well."""

    frame_id: str
    video_id: str
    pts_s: float
    score: float
    band: Band = Field(description="What the score is worth; `maybe` where nothing is known about that")


class Moment(BaseModel):
    """Neighbouring hits of one video, merged."""

    video_id: str
    from_pts_s: float
    to_pts_s: float
    best_frame_id: str
    score: float


class Scale(BaseModel):
    """What scores are worth here, by the best scores of `n_null` other queries over the same frames.

    For words these are words of which there is nothing, for pictures the frames themselves.
    """

    null_mean: float = Field(description="The middle of their best scores")
    null_std: float = Field(description="The spread of these, as a standard deviation")
    n_null: int
    strong_from: float = Field(description="The least score that is strong")
    maybe_from: float = Field(description="The least score that may be right")
    n_strong: int = Field(description="How many of the hits are strong")
    n_maybe: int = Field(description="How many of the hits may be right")


class Found(BaseModel):
    """The best frames and moments, best first; `n_searched` frames could be found at all."""

    query: str
    hits: list[Hit]
    moments: list[Moment]
    n_searched: int
    scale: Scale | None = Field(description="None while there are too few frames to say")

    @staticmethod
    def of(query: str, result: SearchResult) -> "Found":
        """The result of a search as it is shown."""
        return Found(
            query=query,
            hits=[
                Hit(
                    frame_id=str(h.frame_id),
                    video_id=str(h.video_id),
                    pts_s=h.pts_s,
                    score=h.score,
                    band=result.band(h.score),
                )
                for h in result.hits
            ],
            moments=[
                Moment(
                    video_id=str(m.video_id),
                    from_pts_s=m.from_pts_s,
                    to_pts_s=m.to_pts_s,
                    best_frame_id=str(m.best_frame_id),
                    score=m.score,
                )
                for m in result.moments
            ],
            n_searched=result.n_searched,
            scale=_scale(result),
        )


class Segmented(BaseModel):
    """The mask of what was clicked on, in the size of the frame, and its box; nothing of it is stored."""

    segmentation: Segmentation
    bbox_xyxy: list[float] = Field(min_length=4, max_length=4)
    confidence: float = Field(description="How well the mask fits the object, as the model judges it")
    model_id: str
    model_revision: str

    @staticmethod
    def of(segmented: clicks.Segmented) -> "Segmented":
        """An answer to clicks as it is shown."""
        found = segmented.refinement
        return Segmented(
            segmentation=Segmentation.of(found.mask),
            bbox_xyxy=list(found.mask.bbox_xyxy),
            confidence=found.confidence,
            model_id=segmented.model_id,
            model_revision=segmented.model_revision,
        )


class Annotation(BaseModel):
    """A labelled object; the box is in pixels of the upright frame, the mask in its size."""

    id: str
    frame_id: str
    class_name: str
    bbox_xyxy: list[float] = Field(min_length=4, max_length=4)
    confidence: float | None
    status: AnnotationStatus
    track_id: str | None
    segmentation: Segmentation | None
    source: AnnotationSource
    revision: int
    prompt: str | None
    run_id: str | None
    created_s: float
    created_by: str | None = Field(description="Who drew it; null for a proposal")
    changed_s: float | None = Field(description="When a person last drew, changed or decided it")
    changed_by: str | None = Field(description="Who that was, where the request said so")

    @staticmethod
    def of(annotation: types.Annotation) -> "Annotation":
        """An annotation as it is shown."""
        return Annotation(
            id=str(annotation.id),
            frame_id=str(annotation.frame_id),
            class_name=annotation.class_name,
            bbox_xyxy=list(annotation.bbox_xyxy),
            confidence=annotation.confidence,
            status=annotation.status,
            track_id=_id_or_none(annotation.track_id),
            segmentation=None if annotation.mask is None else Segmentation.of(annotation.mask),
            source=annotation.source,
            revision=annotation.revision,
            prompt=annotation.prompt,
            run_id=_id_or_none(annotation.run_id),
            created_s=annotation.created_s,
            created_by=annotation.created_by,
            changed_s=annotation.changed_s,
            changed_by=annotation.changed_by,
        )


class Decided(BaseModel):
    """What was decided about, in the order in which it was named; no items where none were asked for."""

    ids: list[str]
    items: list[Annotation]


class DecidedMatching(BaseModel):
    """The proposals that were changed; with these ids the decision can be undone."""

    ids: list[str]
    total: int


class FormerState(BaseModel):
    """What an annotation was in an earlier revision; the change that ended it says when, and who."""

    revision: int
    class_name: str
    status: AnnotationStatus
    source: AnnotationSource
    bbox_xyxy: list[float]
    segmentation: Segmentation | None
    confidence: float | None
    track_id: str | None
    changed_s: float
    changed_by: str | None

    @staticmethod
    def of(former: types.FormerState) -> "FormerState":
        """A state from the history of an annotation."""
        return FormerState(
            revision=former.revision,
            class_name=former.class_name,
            status=former.status,
            source=former.source,
            bbox_xyxy=list(former.bbox_xyxy),
            segmentation=None if former.mask is None else Segmentation.of(former.mask),
            confidence=former.confidence,
            track_id=_id_or_none(former.track_id),
            changed_s=former.changed_s,
            changed_by=former.changed_by,
        )


class History(BaseModel):
    """The earlier revisions of an annotation, oldest first."""

    items: list[FormerState]


class Thresholds(BaseModel):
    """How sure a run had to be."""

    score: float
    mask: float


class AnnotationRun(BaseModel):
    """One request to annotate: the model, what it was asked and with which thresholds."""

    id: str
    prompts: list[str]
    thresholds: Thresholds
    model_id: str
    model_revision: str
    created_s: float

    @staticmethod
    def of(run: types.AnnotationRun) -> "AnnotationRun":
        """A run as it is shown."""
        return AnnotationRun(
            id=str(run.id),
            prompts=list(run.prompts),
            thresholds=Thresholds(**run.thresholds),
            model_id=run.model_id,
            model_revision=run.model_revision,
            created_s=run.created_s,
        )


class Chunk(BaseModel):
    """A part of a job that one worker does in one go."""

    id: str
    position: int
    kind: str
    queue: Queue
    state: JobState
    attempts: int
    total: int
    done: int
    skipped: int
    failed: int
    error: str | None

    @staticmethod
    def of(chunk: types.Chunk) -> "Chunk":
        """A chunk as it is shown."""
        return Chunk(
            id=str(chunk.id),
            position=chunk.position,
            kind=chunk.kind,
            queue=chunk.queue,
            state=chunk.state,
            attempts=chunk.attempts,
            total=chunk.total,
            done=chunk.done,
            skipped=chunk.skipped,
            failed=chunk.failed,
            error=chunk.error,
        )


class Job(BaseModel):
    """Long work; the counts are items such as frames."""

    id: str
    kind: str
    state: JobState
    total: int
    done: int
    skipped: int
    failed: int
    error: str | None
    parent_id: str | None
    is_cancel_requested: bool
    parameters: dict[str, Any]
    result: dict[str, Any]
    created_s: float
    started_s: float | None
    finished_s: float | None
    rate_per_s: float | None = Field(description="Items a second")
    seconds_left: float | None

    @staticmethod
    def of(job: types.Job) -> "Job":
        """A job as it is shown in a list."""
        return Job(**_job_fields(job))


class JobDetail(Job):
    """A job with its parts, and with the jobs that it brought about."""

    n_chunks: int
    waits_for: list[Queue] = Field(description="The queues in which chunks of it wait")
    chunks: list[Chunk] = Field(description="The first of its chunks; `/jobs/{job_id}/chunks` lists all")
    children: list[str]

    @staticmethod
    def with_parts(
        job: types.Job,
        shares: Sequence[job_rows.Share],
        chunks: Sequence[types.Chunk],
        child_ids: Sequence[int],
    ) -> "JobDetail":
        """A job as it is shown alone."""
        return JobDetail(
            **_job_fields(job),
            n_chunks=sum(share.n for share in shares),
            waits_for=sorted({share.queue for share in shares if share.state == JobState.QUEUED}),
            chunks=[Chunk.of(chunk) for chunk in chunks],
            children=[str(child_id) for child_id in child_ids],
        )


class JobEvent(BaseModel):
    """A message over the WebSocket: a job has changed; `seq` grows with every change."""

    type: Literal["job"] = "job"
    seq: int
    job: Job


class ExportFormat(BaseModel):
    """A format that a dataset may have."""

    name: str
    title: str
    description: str
    needs_masks: bool = Field(description="Whether an annotation that is only a box cannot be written in it")

    @staticmethod
    def of(name: str, about: FormatDescription) -> "ExportFormat":
        """A format as it is shown."""
        return ExportFormat(
            name=name, title=about.title, description=about.description, needs_masks=about.needs_masks
        )


class ClassCount(BaseModel):
    """A class, and how many annotations of it there are."""

    name: str
    n: int


class ExportPreview(BaseModel):
    """What an export would hold; `samples` are the ids of some of its frames."""

    n_images: int
    n_annotations: int
    classes: list[ClassCount]
    samples: list[str] = Field(max_length=3)
    warnings: list[str]

    @staticmethod
    def of(preview: Preview) -> "ExportPreview":
        """A preview as it is shown."""
        return ExportPreview(
            n_images=preview.n_images,
            n_annotations=preview.n_annotations,
            classes=[ClassCount(name=share.name, n=share.n) for share in preview.classes],
            samples=[str(frame_id) for frame_id in preview.sample_ids],
            warnings=list(preview.warnings),
        )


class Issue(BaseModel):
    """Why an item of a job was skipped or failed."""

    item: str
    outcome: ItemOutcome
    reason: str

    @staticmethod
    def of(issue: chunk_rows.Issue) -> "Issue":
        """An issue as it is shown."""
        return Issue(item=issue.item, outcome=issue.outcome, reason=issue.reason)


def _scale(result: SearchResult) -> Scale | None:
    scale = result.scale
    if scale is None:
        return None
    return Scale(
        null_mean=scale.null_mean,
        null_std=scale.null_std,
        n_null=scale.n_null,
        strong_from=scale.strong_from,
        maybe_from=scale.maybe_from,
        n_strong=result.n_in("strong"),
        n_maybe=result.n_in("maybe"),
    )


def _video_fields(video: types.Video, project: str, poster_frame_id: int | None) -> dict[str, Any]:
    return {
        "id": str(video.id),
        "name": video.name,
        "sha256": video.sha256,
        "project": project,
        "duration_s": video.duration_s,
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "frames": video.frame_count,
        "poster_frame_id": None if poster_frame_id is None else str(poster_frame_id),
        "state": video.state,
        "error": video.error,
        "created_s": video.created_s,
        "size_bytes": video.size_bytes,
    }


def _job_fields(job: types.Job) -> dict[str, Any]:
    ended = job.done + job.skipped + job.failed
    elapsed_s = (job.finished_s or time.time()) - (job.started_s or job.created_s)
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": job.state,
        "total": job.total,
        "done": job.done,
        "skipped": job.skipped,
        "failed": job.failed,
        "error": job.error,
        "parent_id": _id_or_none(job.parent_id),
        "is_cancel_requested": job.is_cancel_requested,
        "parameters": job.parameters,
        "result": job.result,
        "created_s": job.created_s,
        "started_s": job.started_s,
        "finished_s": job.finished_s,
        "rate_per_s": progress.rate_per_s(ended, elapsed_s),
        "seconds_left": (
            progress.seconds_left(ended, job.total, elapsed_s) if job.state == JobState.RUNNING else None
        ),
    }


def _id_or_none(value: int | None) -> str | None:
    return None if value is None else str(value)
