"""The command ``export``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from komadori.cli import following, output
from komadori.cli.answers import ExportPreview
from komadori.cli.options import DEFAULT_PROJECT, Json, ProjectName, connect
from komadori.core import registry


class Status(StrEnum):
    """Which annotations leave; what was rejected never does."""

    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    ALL = "all"


def export(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            show_default=False,
            help="A new folder, or that of a former export; when not given, the one of this project and "
            "format in KOMADORI_EXPORTS.",
        ),
    ] = None,
    format_name: Annotated[
        str, typer.Option("--format", metavar="|".join(registry.names("exporters")), help="The format.")
    ] = "coco",
    status: Annotated[
        Status, typer.Option(metavar="accepted|proposed|all", help="Which annotations.")
    ] = Status.ACCEPTED,
    project: ProjectName = DEFAULT_PROJECT,
    preview: Annotated[
        bool, typer.Option("--preview", help="Write nothing, only say what the dataset would hold.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a dataset, and wait until it is there."""
    if format_name not in registry.names("exporters"):
        raise typer.BadParameter(f"--format is one of {', '.join(registry.names('exporters'))}")
    target = None if directory is None else directory.absolute()
    with connect() as api:
        if preview:
            found = api.preview_export(format_name=format_name, status=status.value, project=project)
            output.print_json(found.as_json()) if as_json else _show(found)
            return
        job = api.export(target, format_name=format_name, status=status.value, project=project)
        job = following.follow(api, [job])[0]
    if as_json:
        output.print_json(job.as_json())
    following.check([job])
    if not as_json:
        n_images, n_annotations = job.result.get("n_images", 0), job.result.get("n_annotations", 0)
        output.line(
            f"{output.count(n_annotations, 'annotation')} on {output.count(n_images, 'image')} "
            f"in {job.result['directory']}"
        )


def _show(preview: ExportPreview) -> None:
    n_annotations, n_images = preview.n_annotations, preview.n_images
    output.line(f"{output.count(n_annotations, 'annotation')} on {output.count(n_images, 'image')}")
    if preview.classes:
        output.table(["CLASS", ">ANNOTATIONS"], [(share.name, str(share.n)) for share in preview.classes])
    for warning in preview.warnings:
        output.note(warning)
