"""Commands for checkpoints: models list, pull. They work with and without a running Komadori."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from komadori.cli import following, output
from komadori.cli.answers import Job
from komadori.cli.configuration import read_settings
from komadori.cli.options import Json, connect
from komadori.core.errors import DependencyError
from komadori.core.types import JsonDict
from komadori.ml.catalogue import parse_source
from komadori.ml.checkpoints import ModelStatus, ModelStore

app = typer.Typer(help="List and fetch models.", invoke_without_command=True, rich_markup_mode="rich")


class TransferBar(following.LiveProgress):
    """A bar on stderr while a model is fetched: bytes, rate, time left."""

    def __init__(self) -> None:
        super().__init__(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=output.console(stderr=True),
                disable=not output.is_watched(),
            )
        )
        self._task: TaskID = self._progress.add_task("", total=None)

    def update(self, bytes_done: int, bytes_total: int, file: str) -> None:
        """Show the bytes that are there, and the file being fetched."""
        self._progress.update(self._task, completed=bytes_done, total=bytes_total, description=file)

    def check_cancelled(self) -> None:
        """Go on; Ctrl+C ends the whole command and keeps what was fetched."""

    def show(self, job: Job) -> None:
        """Show how far a job is that fetches a model."""
        self.update(job.n_ended << 20, job.total << 20, str(job.parameters["source"]))


@app.callback()
def models(ctx: typer.Context, as_json: Json = False) -> None:
    """List and fetch models; alone, the list."""
    if ctx.invoked_subcommand is None:
        list_models(as_json)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the known models and those on this machine."""
    found = _store().list()
    if as_json:
        output.print_json([_as_json(status) for status in found])
        return
    settings = read_settings()
    in_use = {settings.embedder: "embedder", settings.segmenter: "segmenter"}
    rows = [
        [
            status.name or "-",
            status.model_id,
            (status.revision or "-")[:12],
            status.state.value,
            output.size(status.size_bytes),
            (status.licence or "unknown") + (", gated" if status.is_gated else ""),
            in_use.get(status.model_id, in_use.get(status.name or "", "")),
        ]
        for status in found
    ]
    output.table(["NAME", "MODEL", "REVISION", "STATE", ">SIZE", "LICENCE", "USED AS"], rows)
    output.next_step("Next: komadori models pull NAME")


@app.command()
def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name of the list, org/name or org/name@commit.")
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Ask for a newer commit, and repair what is damaged.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Fetch in this process, with its settings and its token.")
    ] = False,
) -> None:
    """Fetch a model from the hub; a broken download goes on where it stopped.

    Where Komadori runs, its worker fetches and this command follows; else this command fetches.
    """
    if here or isinstance(parse_source(name), Path) or not _pull_as_job(name, update=update):
        _pull_here(name, update=update)


def _pull_as_job(name: str, *, update: bool) -> bool:
    """Let the worker of a running Komadori fetch, and follow it; False when none answers."""
    with connect() as api:
        try:
            job = api.pull_model(name, update=update)
        except DependencyError as error:
            if error.code != "api-unreachable":
                raise
            return False
        (ended,) = following.follow(api, [job], display=TransferBar())
    following.check([ended])
    model, _, revision = str(ended.result["model"]).partition("@")
    output.line(f"{model}@{revision[:12]} is in {ended.result['folder']}")
    return True


def _pull_here(name: str, *, update: bool) -> None:
    with TransferBar() as bar:
        model = _store().pull(name, progress=bar, update=update)
    output.line(f"{model.model_id}@{model.revision[:12]} is in {model.directory}")


def _store() -> ModelStore:
    from komadori import bootstrap  # it takes longer to load than other commands take

    return bootstrap.model_store(read_settings())


def _as_json(status: ModelStatus) -> JsonDict:
    return {
        "name": status.name,
        "model_id": status.model_id,
        "revision": status.revision,
        "state": status.state.value,
        "size_bytes": status.size_bytes,
        "licence": status.licence,
        "is_gated": status.is_gated,
        "path": None if status.path is None else str(status.path),
    }
