"""The command line: ``komadori COMMAND``. Exit status 0 done, 1 failed, 2 misused."""

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

import komadori
from komadori.cli import output
from komadori.cli.commands import (
    annotations,
    demo_video,
    export,
    jobs,
    machine,
    models,
    search,
    store,
    videos,
)
from komadori.cli.configuration import SettingError
from komadori.cli.options import SeveralValues
from komadori.core.errors import KomadoriError

FAILED = 1
MISUSED = 2
INTERRUPTED = 130

_RUN = "Run"
_FRAMES = "Videos and frames"
_ANNOTATIONS = "Annotations and datasets"
_WORK = "Jobs and models"
_DATA = "Data of this machine"

app = typer.Typer(
    name="komadori",
    help="Turns hours of video into a labelled dataset, on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        output.line(f"komadori {komadori.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes with every command.")
    ] = False,
) -> None:
    """Turns hours of video into a labelled dataset, on your own machine."""
    del version, debug  # the first is done when it is read, the second before anything is read


app.command(rich_help_panel=_RUN)(machine.up)
app.command(rich_help_panel=_RUN)(machine.demo)
app.command("demo-video", rich_help_panel=_RUN)(demo_video.demo_video)
app.command(rich_help_panel=_RUN)(machine.worker)
app.command(rich_help_panel=_RUN)(machine.api)
app.command(rich_help_panel=_RUN)(machine.doctor)
app.command(rich_help_panel=_DATA)(store.check)
app.command(rich_help_panel=_DATA)(store.gc)
app.command(rich_help_panel=_DATA)(store.backup)
app.command(rich_help_panel=_DATA)(store.restore)
app.command(rich_help_panel=_FRAMES)(videos.add)
app.command(rich_help_panel=_FRAMES)(videos.videos)
app.command(rich_help_panel=_FRAMES)(videos.frames)
app.command(rich_help_panel=_FRAMES)(search.search)
app.command(rich_help_panel=_FRAMES)(videos.embed)
app.command(rich_help_panel=_FRAMES)(videos.verify)
app.command(rich_help_panel=_FRAMES)(videos.proxy)
app.command(rich_help_panel=_FRAMES)(videos.delete)
app.command(rich_help_panel=_ANNOTATIONS, cls=SeveralValues)(annotations.annotate)
app.command(rich_help_panel=_ANNOTATIONS)(annotations.annotations)
app.command(rich_help_panel=_ANNOTATIONS)(annotations.accept)
app.command(rich_help_panel=_ANNOTATIONS)(annotations.reject)
app.command(rich_help_panel=_ANNOTATIONS)(export.export)
app.command(rich_help_panel=_ANNOTATIONS)(videos.projects)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_WORK)
app.add_typer(models.app, name="models", rich_help_panel=_WORK)


def run() -> None:
    """Run the command line of this process and exit."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command line: the exit status."""
    words = [word for word in arguments if word != "--debug"]
    is_debugging = len(words) < len(arguments)
    try:
        app(words, prog_name="komadori")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except KomadoriError as problem:
        return _fail(problem, is_debugging=is_debugging)
    except Exception as exc:  # noqa: BLE001  the last resort: no traceback for people who did not ask
        unexpected = KomadoriError(
            f"{type(exc).__name__}: {exc}",
            hint="This is a defect of Komadori. Run it again with --debug and report what that prints.",
        )
        return _fail(unexpected, is_debugging=is_debugging)
    return 0


def _fail(problem: KomadoriError, *, is_debugging: bool) -> int:
    if is_debugging:
        traceback.print_exc()
    output.error(problem)
    return MISUSED if isinstance(problem, SettingError) else FAILED


if __name__ == "__main__":
    run()
