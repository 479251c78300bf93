"""Lets the segmenter propose annotations for named concepts, frame by frame.

A run is a model with its prompts and thresholds. The same request again continues the
run: only frames that it has not seen are looked at, unless ``force`` is given. What a
person accepted, rejected or drew is never replaced, and not proposed a second time.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from sqlalchemy.orm import Session

from komadori.core import masks
from komadori.core.errors import InputError, KomadoriError
from komadori.core.geometry import box_iou
from komadori.core.progress import Cancelled, Progress, stoppable
from komadori.core.types import (
    Annotation,
    AnnotationRun,
    AnnotationSource,
    AnnotationStatus,
    Chunk,
    ConceptPrompt,
    Detections,
    Frame,
    ItemOutcome,
    Job,
    JsonDict,
    Queue,
)
from komadori.db.repositories import annotations, jobs, projects, videos
from komadori.db.repositories.annotations import NewAnnotation
from komadori.db.repositories.chunks import Counts, Issue
from komadori.media.images import read_frame
from komadori.ml.segmenters.base import ConceptSegmenter
from komadori.services import names, search
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, split, submit

KIND = "annotate"
MAX_PROMPTS = 200

TRY_FRAMES = 16
"""Who names so few frames looks at each as soon as it is done, so each is a chunk of its own."""

_Found = list[tuple[str, Detections]]
"""By prompt, in the order of the prompts."""

_SAME_OBJECT_IOU = 0.7
"""A proposal that overlaps a decided annotation of its class by this much says nothing new."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Which frames to annotate: some, those of a video, the best hits of a search, or all."""

    project: str = projects.DEFAULT
    video_id: int | None = None
    frame_ids: Sequence[int] = field(default_factory=list)
    search_text: str | None = None
    top: int = 100


@dataclass(frozen=True, slots=True)
class RunParameters:
    """What makes a run, besides the model: what to look for and how sure to be."""

    prompts: Sequence[str]
    score_threshold: float
    mask_threshold: float

    def as_json(self) -> JsonDict:
        """As it is stored in a job."""
        return {
            "prompts": list(self.prompts),
            "score_threshold": self.score_threshold,
            "mask_threshold": self.mask_threshold,
        }


def request(
    ctx: Context,
    prompts: Sequence[str],
    targets: Targets,
    *,
    score_threshold: float | None = None,
    mask_threshold: float | None = None,
    force: bool = False,
) -> Job:
    """Queue the annotation of the targets.

    Raises:
        InputError: No prompt, too many, a threshold outside [0, 1], or no frame to annotate.
        NotFoundError: A frame, video or project does not exist.
        DependencyError: The frames are those of a search, and no worker answered it in time.
    """
    wanted = RunParameters(
        _clean(prompts),
        _threshold(ctx.options.score_threshold if score_threshold is None else score_threshold),
        _threshold(ctx.options.mask_threshold if mask_threshold is None else mask_threshold),
    )
    project_id, frame_ids = _resolve(ctx, targets)
    if not frame_ids:
        raise InputError(
            "There are no frames to annotate.",
            hint="Add a video first (`komadori add`) and wait until its frames are extracted.",
            code="no-frames",
        )
    parameters: dict[str, object] = {**wanted.as_json(), "force": force}
    is_try = 0 < len(targets.frame_ids) <= TRY_FRAMES
    chunk_frames = 1 if is_try else ctx.options.annotate_chunk_frames
    chunks = split(KIND, Queue.SAM3, "frame_ids", frame_ids, chunk_frames)
    return submit(ctx, KIND, project_id, parameters, chunks)


def run_chunk(
    ctx: Context,
    segmenter: ConceptSegmenter,
    chunk: Chunk,
    progress: Progress,
    *,
    between_frames: Callable[[], None] = lambda: None,
) -> ChunkResult:
    """Annotate those frames of a chunk that the run has not seen.

    Where it is cancelled amid the chunk, the frames that are finished by then are kept.

    Args:
        ctx: The ports.
        segmenter: The model.
        chunk: Names the frames.
        progress: Hears of each frame, and may stop the work.
        between_frames: Called after every frame, so that a person who clicks waits for one frame
            and not for the chunk.
    """
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
    wanted = RunParameters(**{field.name: job.parameters[field.name] for field in fields(RunParameters)})
    with ctx.sessions.write() as session:
        run = _run(session, job.project_id, segmenter, wanted)
    frames = _missing(ctx, run, chunk.payload["frame_ids"], is_forced=job.parameters["force"])
    n_seen = chunk.total - len(frames)
    progress.advance(n_seen)
    found: dict[int, _Found] = {}
    issues: list[Issue] = []
    write = _writer(job.project_id, run, found)
    try:
        with stoppable(progress):
            for frame in frames:
                progress.check_cancelled()
                _annotate(ctx, segmenter, wanted, frame, found, issues)
                progress.advance()
                between_frames()
    except Cancelled:
        return ChunkResult(Counts(done=n_seen + len(found)), write=write, is_cancelled=True)
    return ChunkResult(Counts(done=chunk.total - len(issues), skipped=len(issues)), issues, write)


def _annotate(
    ctx: Context,
    segmenter: ConceptSegmenter,
    wanted: RunParameters,
    frame: Frame,
    found: dict[int, _Found],
    issues: list[Issue],
) -> None:
    """Add what the segmenter finds in a frame, or why it could not be looked at."""
    try:
        image = read_frame(ctx.blobs.get(frame.image_key))
    except KomadoriError as error:
        issues.append(Issue(f"frame {frame.id}", ItemOutcome.SKIPPED, str(error)))
        return
    by_prompt = segmenter.segment(
        [image],
        [ConceptPrompt(class_name=text, text=text) for text in wanted.prompts],
        score_threshold=wanted.score_threshold,
        mask_threshold=wanted.mask_threshold,
    )[0]
    found[frame.id] = list(zip(wanted.prompts, by_prompt, strict=True))


def _clean(prompts: Sequence[str]) -> list[str]:
    cleaned = list(dict.fromkeys(" ".join(prompt.split()) for prompt in prompts))
    unseen = [prompt for prompt in cleaned if not names.is_visible(prompt)]
    if not cleaned or unseen or len(cleaned) > MAX_PROMPTS:
        one = f", among them one of {names.counted(unseen[0])}" if unseen else ""
        raise InputError(
            f"Expected 1 to {MAX_PROMPTS} prompts with words in them, got {len(cleaned)}{one.rstrip(',')}.",
            hint="Name what to find with short noun phrases: --prompt car --prompt 'traffic light'.",
            code="bad-prompts",
        )
    for prompt in cleaned:
        names.check_printable(prompt, f"The prompt {prompt[:40]!r}", "bad-prompts")
    too_long = [prompt for prompt in cleaned if len(prompt) > names.MAX_LENGTH]
    if too_long:
        raise InputError(
            f"The prompt {too_long[0][:40]!r}… has {len(too_long[0])} characters.",
            hint="Use a noun phrase of a few words.",
            code="prompt-too-long",
        )
    return cleaned


def _threshold(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise InputError(
            f"A threshold of {value} was asked for.",
            hint="Thresholds lie between 0 and 1.",
            code="bad-threshold",
        )
    return float(value)


def _resolve(ctx: Context, targets: Targets) -> tuple[int, list[int]]:
    """The project's id and the frames, without doubles and in a stable order."""
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, targets.project).id
        if targets.frame_ids:
            frames = [videos.get_frame(session, frame_id) for frame_id in dict.fromkeys(targets.frame_ids)]
            for video_id in {frame.video_id for frame in frames}:
                videos.check_in_project(session, video_id, project_id, targets.project)
            return project_id, [frame.id for frame in frames]
        if targets.video_id is not None:
            videos.check_in_project(session, targets.video_id, project_id, targets.project)
        if targets.search_text is None:
            return project_id, videos.frame_ids(
                session, project_id=project_id, video_id=targets.video_id
            ).tolist()
    scope = search.Scope(targets.project, targets.video_id)
    return project_id, [
        hit.frame_id for hit in search.by_text(ctx, targets.search_text, targets.top, scope).hits
    ]


def _run(
    session: Session, project_id: int, segmenter: ConceptSegmenter, wanted: RunParameters
) -> AnnotationRun:
    values: JsonDict = {
        "model_id": segmenter.model_id,
        "model_revision": segmenter.model_revision,
        "prompts": list(wanted.prompts),
        "thresholds": {"score": wanted.score_threshold, "mask": wanted.mask_threshold},
    }
    fingerprint = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return annotations.get_or_create_run(session, project_id, fingerprint, values)


def _missing(ctx: Context, run: AnnotationRun, frame_ids: Sequence[int], *, is_forced: bool) -> list[Frame]:
    with ctx.sessions.read() as session:
        seen = set() if is_forced else annotations.seen_by_run(session, run.id, frame_ids)
        return videos.get_frames(session, [frame_id for frame_id in frame_ids if frame_id not in seen])


def _writer(project_id: int, run: AnnotationRun, found: dict[int, _Found]) -> Callable[[Session], None]:
    def write(session: Session) -> None:
        live = videos.lock_frames(session, list(found))
        frame_ids = [frame_id for frame_id in found if frame_id in live]
        annotations.drop_open_proposals(session, frame_ids, run.model_id, run.prompts)
        decided = annotations.decided(session, frame_ids)
        class_ids = projects.class_ids(session, project_id, run.prompts)
        counts: dict[int, int] = {}
        for frame_id in frame_ids:
            new = [
                proposal
                for prompt, detections in found[frame_id]
                for proposal in _proposals(frame_id, prompt, class_ids[prompt], run.id, detections)
                if not _is_decided(proposal, prompt, decided.get(frame_id, ()))
            ]
            annotations.add_many(session, new)
            counts[frame_id] = len(new)
        annotations.mark_seen(session, run.id, counts)

    return write


def _proposals(
    frame_id: int, prompt: str, class_id: int, run_id: int, detections: Detections
) -> list[NewAnnotation]:
    return [
        NewAnnotation(
            frame_id=frame_id,
            class_id=class_id,
            bbox_xyxy=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            mask=detections.masks[position] if detections.masks is not None else None,
            confidence=float(detections.confidence[position]),
            source=AnnotationSource.MODEL,
            status=AnnotationStatus.PROPOSED,
            run_id=run_id,
            prompt=prompt,
        )
        for position, box in enumerate(detections.xyxy)
    ]


def _is_decided(proposal: NewAnnotation, prompt: str, decided: Sequence[Annotation]) -> bool:
    """Whether a person has already said something about this object as this class.

    The class may be another by now: it counts what it was proposed as, too.
    """
    return any(
        prompt in (other.class_name, other.prompt) and _overlap(proposal, other) >= _SAME_OBJECT_IOU
        for other in decided
    )


def _overlap(proposal: NewAnnotation, other: Annotation) -> float:
    if proposal.mask is not None and other.mask is not None:
        return masks.iou(proposal.mask, other.mask)
    first = np.asarray([proposal.bbox_xyxy], np.float32)
    second = np.asarray([other.bbox_xyxy], np.float32)
    return float(box_iou(first, second)[0, 0])
