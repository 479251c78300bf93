"""The options that several commands share, and options that take several values."""

import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from komadori.cli.client import ApiClient
from komadori.cli.configuration import read_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
ProjectName = Annotated[str, typer.Option("--project", metavar="P", help="The project.")]
OneProject = Annotated[
    str | None, typer.Option("--project", metavar="P", help="Only this project; all when not given.")
]
OneVideo = Annotated[str | None, typer.Option("--video", metavar="V", help="Only this video.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when all is done; exit 1 when it fails.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job.")]

DEFAULT_PROJECT = "default"


def connect() -> ApiClient:
    """A client of the API of the settings, for the person who is logged in."""
    settings = read_settings()
    token = settings.token.get_secret_value() if settings.token else None
    return ApiClient(settings.url, token, actor=login_name())


def login_name() -> str | None:
    """Who is logged in; None where the system knows no name, as in a container with any user id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


class SeveralValues(TyperCommand):
    """A command without arguments whose list options take several values: ``--frame 1 2 3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line, once each value has an option of its own."""
        lists = {name for param in self.params if getattr(param, "multiple", False) for name in param.opts}
        return super().parse_args(ctx, repeat_options(args, lists))


def repeat_options(args: Sequence[str], lists: set[str]) -> list[str]:
    """Write ``--frame 1 2`` as ``--frame 1 --frame 2``.

    Args:
        args: A command line.
        lists: The options that take several values, up to the next word that begins with a dash.
    """
    repeated: list[str] = []
    current: str | None = None
    needs_value = False
    for word in args:
        if needs_value or not word.startswith("-"):
            repeated += [word] if needs_value or current is None else [current, word]
            needs_value = False
        else:
            current = word if word in lists else None
            needs_value = current is not None
            repeated.append(word)
    return repeated
