"""Commands that run Komadori on this machine: up, worker, api, doctor, demo.

What they need is imported when they run: it takes longer to load than other commands take.
"""

from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated

import typer

from komadori.cli import output
from komadori.cli.configuration import listening_address, read_settings
from komadori.cli.demo.models import DemoModels
from komadori.cli.options import Json
from komadori.core.types import Queue

_WORKER = "komadori.worker.app:run"
_API = "komadori.api.server:serve"
"""Started here by name: the command line runs these programs but does not build on them."""

Host = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", show_default="as in KOMADORI_URL", help="Where the API listens."),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, metavar="N", show_default="as in KOMADORI_URL", help="Its port."),
]


def up(
    host: Host = None,
    port: Port = None,
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="KOMADORI_HOME", help="The folder of all data.")
    ] = None,
) -> None:
    """Run everything on this machine: API, three workers, broker and database.

    Stops with Ctrl+C. What dies is started again; logs are in the home.
    """
    from komadori.cli.up import run_up

    run_up(host, port, home)


def worker(
    queue: Annotated[Queue, typer.Argument(metavar="QUEUE", help="default, siglip or sam3.")],
) -> None:
    """Run one worker; `up` does this for all three queues."""
    resolve_name(_WORKER)(queue, read_settings())


def api(host: Host = None, port: Port = None) -> None:
    """Run the API alone; `up` does this with all that it needs."""
    settings = read_settings()
    host, port = listening_address(settings, host, port)
    resolve_name(_API)(settings, host, port)


def doctor(as_json: Json = False) -> None:
    """Check this machine; exit 1 when something cannot work."""
    from komadori.doctor.machine import CHECKS
    from komadori.doctor.printing import Printer
    from komadori.doctor.report import Status, examine

    printer = Printer()
    findings = examine(read_settings(), CHECKS, show=None if as_json else printer.show)
    has_failed = any(finding.status is Status.FAIL for finding in findings)
    if as_json:
        output.print_json({"ok": not has_failed, "checks": [finding.as_json() for finding in findings]})
    else:
        printer.end(findings)
    if has_failed:
        raise typer.Exit(1)


def demo(
    folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where the results go.")] = Path(
        "demo-output"
    ),
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="in the output", help="Keep the data here.")
    ] = None,
    models: Annotated[
        DemoModels,
        typer.Option(metavar="packaged|configured", help="Small untrained ones, or those of the settings."),
    ] = DemoModels.PACKAGED,
) -> None:
    """Take a sample video the whole way, then stop."""
    from komadori.cli.demo import story

    story.tell(folder, home, models)
