"""Commands for annotations: annotate, annotations, accept, reject."""

from collections.abc import Sequence
from typing import Annotated

import typer

from komadori.cli import output
from komadori.cli.answers import Annotation
from komadori.cli.commands.videos import Limit, report_job
from komadori.cli.options import (
    DEFAULT_PROJECT,
    Json,
    OneProject,
    OneVideo,
    ProjectName,
    Wait,
    connect,
)
from komadori.core.types import AnnotationStatus, JsonDict

_SHOWN = 50
_TOP = 100

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Annotations.")]


def annotate(
    prompt: Annotated[
        list[str], typer.Option(metavar="TEXT...", help="What to look for, a noun phrase each.")
    ],
    video: Annotated[
        str | None, typer.Option("--video", metavar="V", help="In the frames of this video.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="In the frames that answer this search best.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default=f"{_TOP}", help="With --search: how many.")
    ] = None,
    frame: Annotated[list[str] | None, typer.Option(metavar="F...", help="In these frames.")] = None,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="X", help="Leave out what is less sure.")
    ] = None,
    mask_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="X", help="How sure a pixel of a mask must be.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Look again at frames seen before.")] = False,
    project: ProjectName = DEFAULT_PROJECT,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Let the model propose masks for concepts that you name.

    Looks at all frames of the project unless --video, --search or --frame says otherwise.
    What you accepted, rejected or drew is never replaced.
    """
    if search is None and top is not None:
        raise typer.BadParameter("--top goes with --search")
    if frame and (video is not None or search is not None):
        raise typer.BadParameter("--frame goes neither with --video nor with --search")
    targets: JsonDict = {
        "project": project,
        "video_id": video,
        "frame_ids": frame or None,
        "search": None if search is None else {"text": search, "top": top or _TOP},
    }
    options: JsonDict = {
        "score_threshold": score_threshold,
        "mask_threshold": mask_threshold,
        "force": force,
    }
    with connect() as api:
        report_job(api, api.annotate(prompt, targets, options), wait=wait, as_json=as_json)
    if wait:
        output.next_step("Next: komadori annotations, then komadori accept ID...")


def annotations(
    video: OneVideo = None,
    frame: Annotated[str | None, typer.Option(metavar="F", help="Only this frame.")] = None,
    status: Annotated[
        AnnotationStatus | None,
        typer.Option(metavar="proposed|accepted|rejected", help="Only those with this status."),
    ] = None,
    history: Annotated[
        str | None, typer.Option(metavar="ID", help="The revisions of this one: who changed what, and when.")
    ] = None,
    project: OneProject = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the annotations, or with --history what one of them was."""
    if history is not None:
        _show_history(history, as_json=as_json)
        return
    filters = {
        "project": project,
        "video_id": video,
        "frame_id": frame,
        "status": status.value if status else None,
    }
    with connect() as api:
        if as_json:
            output.print_json([annotation.as_json() for annotation in api.annotations(filters, limit)])
            return
        found = api.annotations(filters, limit or _SHOWN)
        total = api.count_annotations(filters)
    _show(found)
    if total > len(found):
        output.note(f"The first {len(found):,} of {total:,} annotations; --limit N shows more.")
    if not found:
        output.next_step("No annotations. Next: komadori annotate --prompt NOUN --wait")


def accept(ids: Ids, as_json: Json = False) -> None:
    """Accept annotations: they go into the dataset."""
    _decide(ids, AnnotationStatus.ACCEPTED, as_json=as_json)


def reject(ids: Ids, as_json: Json = False) -> None:
    """Reject annotations: they are not proposed again."""
    _decide(ids, AnnotationStatus.REJECTED, as_json=as_json)


def _decide(ids: Sequence[str], status: AnnotationStatus, *, as_json: bool) -> None:
    with connect() as api:
        changed = api.decide(ids, status)
    if as_json:
        output.print_json([annotation.as_json() for annotation in changed])
        return
    output.line(f"{output.count(len(changed), 'annotation')} {status.value}.")
    output.next_step("Next: komadori export DIR --format coco")


def _show_history(annotation_id: str, *, as_json: bool) -> None:
    with connect() as api:
        former, latest = api.history(annotation_id), api.latest_revision(annotation_id)
    if as_json:
        output.print_json([revision.as_json() for revision in former])
        return
    begun = [(latest.created_s, latest.created_by), *((one.changed_s, one.changed_by) for one in former)]
    rows = [
        [
            str(one.revision),
            one.class_name,
            one.status,
            "mask" if one.segmentation else "box",
            one.source,
            output.date(since_s or 0.0),
            by or "-",
        ]
        for one, (since_s, by) in zip([*former, latest], begun, strict=True)
    ]
    output.table([">REVISION", "CLASS", "STATUS", "SHAPE", "SOURCE", "SINCE", "BY"], rows)


def _show(found: Sequence[Annotation]) -> None:
    rows = [
        [
            annotation.id,
            annotation.frame_id,
            annotation.class_name,
            "-" if annotation.confidence is None else f"{annotation.confidence:.3f}",
            " ".join(f"{edge:.0f}" for edge in annotation.bbox_xyxy),
            annotation.status,
        ]
        for annotation in found
    ]
    output.table([">ID", ">FRAME", "CLASS", ">CONFIDENCE", ">BOX", "STATUS"], rows)
