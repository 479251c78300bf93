"""The command ``demo-video``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from komadori.cli import output
from komadori.core.errors import ConflictError, DependencyError

_ROTATIONS = (0, 90, 180, 270)


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", text):
        raise typer.BadParameter(f"{text!r} is no size; write WIDTHxHEIGHT, for example 640x360.")
    return text


def _quarter_turn(degrees: int) -> int:
    if degrees not in _ROTATIONS:
        raise typer.BadParameter(f"{degrees} is not one of {', '.join(map(str, _ROTATIONS))}.")
    return degrees


def demo_video(
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4", help="The video; its truth goes beside it.")],
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another number makes another video.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, metavar="S", help="How long it is.")] = 10,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", callback=_size, help="Of the upright frames.")
    ] = "640x360",
    rotation: Annotated[
        int,
        typer.Option(
            metavar="|".join(map(str, _ROTATIONS)),
            callback=_quarter_turn,
            help="Stored turned by so many degrees, as phones do.",
        ),
    ] = 0,
    things: Annotated[int, typer.Option(min=0, max=30, metavar="N", help="How many things move in it.")] = 5,
    shots: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="So many scenes, one after the other.")
    ] = 1,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write a video whose truth is known: class, box, mask and track of everything in it.

    The truth is COCO JSON beside the video: OUT.truth.json for OUT.mp4.
    """
    try:
        from komadori.demo_world.footage import DEFAULT_FPS, truth_path, write_footage
        from komadori.demo_world.motion import random_shots
    except ModuleNotFoundError as exc:
        raise DependencyError(
            f"Expected the packages that draw and encode videos, got none named {exc.name}.",
            hint="Install them with: pip install 'komadori[cpu-worker,demo]'.",
        ) from exc
    _check_is_new([out, truth_path(out)], force=force)
    width, height = (int(side) for side in size.split("x"))
    with output.spinner(f"Drawing {out}"):
        truth = write_footage(
            out,
            seed,
            width=width,
            height=height,
            n_frames=max(1, round(seconds * DEFAULT_FPS)),
            shots=random_shots(seed, n_shots=shots, n_things=things),
            rotation=rotation,
        )
    names = sorted({name for frame in truth.frames for name in frame.names})
    n_frames = output.count(len(truth.frames), "frame")
    output.line(f"{out}: {n_frames} of {size} with {', '.join(names) or 'nothing'}")
    output.line(f"{truth_path(out)}: what they truly show, as COCO")
    output.next_step(f"Next: komadori add {out}")


def _check_is_new(paths: Sequence[Path], *, force: bool) -> None:
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise ConflictError(
            f"Expected to write new files, but {' and '.join(taken)} is there already.",
            hint="Name another file, or overwrite it with --force.",
            code="file-exists",
        )
