"""The command ``search``: by words, by a picture, by a stored frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from komadori.cli import output
from komadori.cli.answers import ScoreScale, SearchAnswer
from komadori.cli.client import ApiClient
from komadori.cli.options import DEFAULT_PROJECT, Json, OneVideo, ProjectName, connect
from komadori.core.errors import InputError


def search(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What the frames show.")] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Frames that look like this picture.")
    ] = None,
    like: Annotated[str | None, typer.Option(metavar="FRAME", help="Frames that look like this one.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="How many frames.")] = 20,
    video: OneVideo = None,
    project: ProjectName = DEFAULT_PROJECT,
    as_json: Json = False,
) -> None:
    """Find frames, and the moments that they form."""
    if sum(way is not None for way in (text, image, like)) != 1:
        raise typer.BadParameter("give one of TEXT, --image FILE and --like FRAME")
    with connect() as api:
        if image is not None:
            answer = api.search_image(image.name, _read(image), k=k, video_id=video, project=project)
        else:
            answer = api.search(text=text, like_frame_id=like, k=k, video_id=video, project=project)
        if as_json:
            output.print_json(answer.as_json())
            return
        _show(api, answer)
    if answer.hits and text is not None and not answer.is_in_vain:
        output.next_step(f"Next: komadori annotate --search {text!r} --top {k} --prompt NOUN")


def _show(api: ApiClient, answer: SearchAnswer) -> None:
    if not answer.hits:
        output.line(f"Nothing found; {output.count(answer.n_searched, 'frame')} can be searched.")
        return
    names = {video_id: api.video(video_id).name for video_id in {hit.video_id for hit in answer.hits}}
    output.line(
        f"{output.count(len(answer.hits), 'hit')} in {output.count(len(answer.moments), 'moment')}, "
        f"of {output.count(answer.n_searched, 'frame')}"
    )
    if answer.scale is not None:
        output.line(_judged(answer.scale))
    _show_moments(answer, names)
    _show_hits(answer, names)


def _judged(scale: ScoreScale) -> str:
    if scale.n_strong + scale.n_maybe:
        return f"{scale.n_strong} strong, {scale.n_maybe} maybe"
    return f"Nothing here matches: from {scale.maybe_from:.3f} on something might. These frames come nearest."


def _show_moments(answer: SearchAnswer, names: Mapping[str, str]) -> None:
    rows = [
        [
            str(position),
            output.clock(moment.from_pts_s),
            output.clock(moment.to_pts_s),
            moment.best_frame_id,
            f"{moment.score:.3f}",
            f"{moment.video_id} {names[moment.video_id]}",
        ]
        for position, moment in enumerate(answer.moments, 1)
    ]
    output.line()
    output.table(["MOMENT", ">FROM", ">TO", ">BEST FRAME", ">SCORE", "VIDEO"], rows)


def _show_hits(answer: SearchAnswer, names: Mapping[str, str]) -> None:
    rows = [
        [
            str(position),
            output.clock(hit.pts_s),
            hit.frame_id,
            f"{hit.score:.3f}",
            *([hit.band] if answer.scale else []),
            f"{hit.video_id} {names[hit.video_id]}",
        ]
        for position, hit in enumerate(answer.hits, 1)
    ]
    output.line()
    bands = ["BAND"] if answer.scale else []
    output.table(["HIT", ">TIME", ">FRAME", ">SCORE", *bands, "VIDEO"], rows)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise InputError(
            f"The picture {file} cannot be read: {exc.strerror}.",
            hint="Name a JPEG, PNG or WebP file.",
            code="unreadable-file",
        ) from exc
