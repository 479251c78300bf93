"""The command ``export``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from komadori.cli import following, output
from komadori.cli.options import DEFAULT_PROJECT, Json, ProjectName, connect
from komadori.core import registry


class Status(StrEnum):
    """Which annotations leave; what was rejected never does."""

    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    ALL = "all"


def export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder, or that of a former export.")
    ],
    format_name: Annotated[
        str, typer.Option("--format", metavar="|".join(registry.names("exporters")), help="The format.")
    ] = "coco",
    status: Annotated[
        Status, typer.Option(metavar="accepted|proposed|all", help="Which annotations.")
    ] = Status.ACCEPTED,
    project: ProjectName = DEFAULT_PROJECT,
    as_json: Json = False,
) -> None:
    """Write a dataset, and wait until it is there."""
    if format_name not in registry.names("exporters"):
        raise typer.BadParameter(f"--format is one of {', '.join(registry.names('exporters'))}")
    target = directory.absolute()
    with connect() as api:
        job = api.export(target, format_name=format_name, status=status.value, project=project)
        job = following.follow(api, [job])[0]
    if as_json:
        output.print_json(job.as_json())
    following.check([job])
    if not as_json:
        n_images, n_annotations = job.result.get("n_images", 0), job.result.get("n_annotations", 0)
        output.line(
            f"{output.count(n_annotations, 'annotation')} on {output.count(n_images, 'image')} in {target}"
        )
