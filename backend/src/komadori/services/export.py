"""Writes a dataset to disk: beside its place first, then renamed, so that no half export is ever seen."""

import glob
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import komadori
from komadori.core import disk, registry
from komadori.core.errors import ConflictError, InputError
from komadori.core.progress import Progress
from komadori.core.types import (
    Annotation,
    AnnotationRun,
    AnnotationStatus,
    Chunk,
    Frame,
    Job,
    JsonDict,
    Queue,
    Video,
)
from komadori.db.repositories import annotations, jobs, projects, videos
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.exporters.base import DatasetInfo, DatasetItem, Exporter, ExportSummary
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult, submit

KIND = "export"

_PAGE = 200
STATUSES = {
    "accepted": (AnnotationStatus.ACCEPTED,),
    "proposed": (AnnotationStatus.PROPOSED,),
    "all": (AnnotationStatus.ACCEPTED, AnnotationStatus.PROPOSED),
}
"""What may be asked for; what was rejected never leaves."""

MARK = "manifest.json"
"""Every export has this file; a folder with it may be replaced by the next one."""

_LONGEST_NAME = 200
"""Bytes of a folder's name; file systems allow 255, and what is made beside it has a longer one."""

_FORMER = ".former"
"""How the name of a folder ends that holds the former export for a moment."""


def request(ctx: Context, directory: str | None, format_name: str, status: str, project: str) -> Job:
    """Queue an export, into the project's own folder among the exports where none is named.

    Raises:
        InputError: The format, the status or the folder cannot be used, or there is nothing to export.
        NotFoundError: There is no such project.
        ConflictError: The folder holds something that is no export of ours.
    """
    exporter: Exporter = registry.factory("exporters", format_name)()
    needs_masks = exporter.about.needs_masks
    statuses = statuses_of(status)
    target = check_target(ctx.home, directory or str(own_folder(ctx.exports, project, format_name)))
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, project).id
        frame_ids = annotations.annotated_frame_ids(session, project_id, statuses)
        shares = annotations.shares_of_classes(session, project_id, statuses) if needs_masks else []
    if not frame_ids:
        raise InputError(
            f"No frame of project {project!r} has an annotation to export (status: {status}).",
            hint="Annotate first (`komadori annotate`), accept some proposals, or choose another --status.",
            code="nothing-to-export",
        )
    if n_boxes := sum(share.n_without_mask for share in shares):
        raise masks_missing(n_boxes, exporter.about.title)
    parameters: dict[str, object] = {"directory": str(target), "format": format_name, "status": status}
    return submit(ctx, KIND, project_id, parameters, [NewChunk(KIND, Queue.DEFAULT, {}, len(frame_ids))])


def statuses_of(status: str) -> tuple[AnnotationStatus, ...]:
    """What annotations that leave may be.

    Raises:
        InputError: There is no such choice.
    """
    if status not in STATUSES:
        raise InputError(
            f"There is no status {status!r}.", hint=f"Use one of: {', '.join(STATUSES)}.", code="bad-status"
        )
    return STATUSES[status]


def own_folder(exports: Path, project: str, format_name: str) -> Path:
    """Where an export goes that names no folder: another one for each project and format."""
    name = re.sub(r"^\.|[/%\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", f"{project}-{format_name}")
    if len(name.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name.encode()[: _LONGEST_NAME - 17].decode(errors='ignore')}-{digest}"
    return exports / name


def masks_missing(n: int, title: str) -> InputError:
    """The error for a format of masks, where some annotations are only boxes."""
    return InputError(
        f"Expected a mask of every annotation, as {title} has no place for a box alone; got {n} without one.",
        hint="Choose a format that has boxes, such as coco or yolo-detect, or give these annotations masks.",
        code="masks-missing",
    )


def check_target(home: Path, directory: str) -> Path:
    """The folder to write, once it is sure that nothing else would be lost by it.

    Raises:
        InputError: It is no absolute path, or may not be looked at.
        ConflictError: There is something else in its place.
    """
    target = Path(directory)
    if not target.is_absolute() or "\0" in directory:
        raise InputError(
            f"{directory!r} is no absolute path.",
            hint="Give the folder's path from the root.",
            code="bad-directory",
        )
    if target.resolve().is_relative_to(home.resolve()):
        raise ConflictError(
            f"The folder {target} is inside the home of Komadori.",
            hint=f"Name a folder outside {home}; exports are yours, the home is Komadori's.",
            code="export-target-taken",
        )
    try:
        is_no_folder = target.is_symlink() or (target.exists() and not target.is_dir())
        is_foreign = target.is_dir() and any(target.iterdir()) and not _is_export(target)
    except OSError as error:
        raise InputError(
            f"The folder {target} cannot be used: {error.strerror}.",
            hint="Name one that Komadori may read and write.",
            code="bad-directory",
        ) from error
    if is_no_folder:
        raise ConflictError(
            f"{target} exists and is no folder.", hint="Name a new folder.", code="export-target-taken"
        )
    if is_foreign:
        raise ConflictError(
            f"The folder {target} holds files that are no Komadori export.",
            hint="Name a new or an empty folder; nothing was changed.",
            code="export-target-taken",
        )
    return target


def run_chunk(ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
    """Write the whole dataset in one pass and put it in its place."""
    with ctx.sessions.read() as session:
        job = jobs.get(session, chunk.job_id)
        project = projects.by_id(session, job.project_id)
        runs = annotations.runs(session, job.project_id)
        statuses = STATUSES[job.parameters["status"]]
        frame_ids = annotations.annotated_frame_ids(session, job.project_id, statuses)
        class_names = projects.class_names(session, job.project_id)
    info = DatasetInfo(
        project=project.name,
        class_names=class_names,
        status=job.parameters["status"],
        runs={run.id: _run_record(run) for run in runs},
        komadori_version=komadori.__version__,
    )
    exporter: Exporter = registry.factory("exporters", job.parameters["format"])()
    target = check_target(ctx.home, job.parameters["directory"])
    summary = _write(exporter, target, job.id, info, _items(ctx, frame_ids, statuses, progress))
    result = {
        "directory": str(target),
        "n_images": summary.n_images,
        "n_annotations": summary.n_annotations,
        "manifest_sha256": disk.sha256_of(target / MARK),
    }
    return ChunkResult(
        Counts(done=chunk.total), write=lambda session: jobs.set_result(session, job.id, **result)
    )


def _run_record(run: AnnotationRun) -> JsonDict:
    """What a dataset says of a run."""
    return {
        "model_id": run.model_id,
        "model_revision": run.model_revision,
        "prompts": list(run.prompts),
        "thresholds": run.thresholds,
    }


def leftovers(target: Path, job_id: int) -> list[Path]:
    """What attempts of a job have left beside the folder that it writes to."""
    if not target.parent.is_dir():
        return []
    return sorted(target.parent.glob(f"{glob.escape(_prefix(target, job_id))}*"))


def clear_leftover(left: Path, target: Path) -> None:
    """Remove what an attempt left, or put back the former export that it had moved away."""
    if left.suffix == _FORMER and any(left.iterdir()) and not target.exists():
        left.rename(target)
    else:
        shutil.rmtree(left, ignore_errors=True)


def _prefix(target: Path, job_id: int) -> str:
    return f".{target.name}.{job_id}."


def _write(
    exporter: Exporter, target: Path, job_id: int, info: DatasetInfo, items: Iterator[DatasetItem]
) -> ExportSummary:
    prefix = _prefix(target, job_id)
    with disk.storage_errors(f"make a folder for the export beside {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in leftovers(target, job_id):
            clear_leftover(left, target)
        beside = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        with disk.storage_errors(f"write the export to {target}; a former one there is untouched"):
            summary = exporter.write(beside, info, items)
            beside.chmod(0o755)
            _put_in_place(beside, target, prefix)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return summary


def _put_in_place(beside: Path, target: Path, prefix: str) -> None:
    if not target.exists():
        beside.rename(target)
        return
    former = Path(tempfile.mkdtemp(prefix=prefix, suffix=_FORMER, dir=target.parent))
    target.rename(former)
    try:
        beside.rename(target)
    except OSError:
        former.rename(target)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _is_export(directory: Path) -> bool:
    try:
        manifest = json.loads((directory / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "komadori_version" in manifest


def _items(
    ctx: Context, frame_ids: Sequence[int], statuses: Sequence[AnnotationStatus], progress: Progress
) -> Iterator[DatasetItem]:
    known: dict[int, Video] = {}
    for start in range(0, len(frame_ids), _PAGE):
        page = frame_ids[start : start + _PAGE]
        with ctx.sessions.read() as session:
            frames = videos.get_frames(session, page)
            by_frame = annotations.of_frames(session, page, statuses)
            for video_id in {frame.video_id for frame in frames} - known.keys():
                known[video_id] = videos.get(session, video_id)
        for frame in frames:
            progress.check_cancelled()
            yield _item(ctx, known[frame.video_id], frame, by_frame.get(frame.id, ()))
            progress.advance()


def _item(ctx: Context, video: Video, frame: Frame, found: Sequence[Annotation]) -> DatasetItem:
    return DatasetItem(video, frame, ctx.blobs.local_path(frame.image_key), found)
