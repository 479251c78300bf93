"""Commands that run Komadori on this machine: up, worker, api, doctor, demo."""

import time
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated
from urllib.parse import urlsplit

import typer

import komadori
from komadori import bootstrap
from komadori.cli import doctor as checks
from komadori.cli import output
from komadori.cli.configuration import read_settings
from komadori.cli.demo.models import DemoModels
from komadori.cli.home_lock import locked_home
from komadori.cli.machine_checks import CHECKS
from komadori.cli.options import Json
from komadori.cli.supervisor import Supervisor, check_port
from komadori.core.types import Queue
from komadori.settings import Settings

_WORKER = "komadori.worker.app:run"
_API = "komadori.api.server:serve"
"""Started here by name: the command line runs these programs but does not build on them."""

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where the API listens.  [default: as in KOMADORI_URL]")
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Its port.  [default: as in KOMADORI_URL]")]


def up(
    host: Host = None,
    port: Port = None,
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of all data.  [default: KOMADORI_HOME]")
    ] = None,
) -> None:
    """Run everything on this machine: API, three workers, broker and database.

    Stops with Ctrl+C. What dies is started again; logs are in the home.
    """
    host, port = _address(read_settings(), host, port)
    settings = read_settings(home=home, url=f"http://{_reachable(host)}:{port}")
    settings = settings.model_copy(update={"home": settings.home.expanduser().absolute()})
    started_s = time.monotonic()
    output.line(f"Komadori {komadori.__version__}, home {settings.home}")
    settings.home.mkdir(parents=True, exist_ok=True)
    with locked_home(settings.home, settings.url):
        check_port(host, port)
        bootstrap.prepare_home(settings)
        supervisor = Supervisor(settings, host, port, _say)

        def on_ready() -> None:
            output.line(f"Ready after {output.span(time.monotonic() - started_s)}. Ctrl+C stops it.")
            output.next_step("Next, in another terminal: komadori add VIDEO --wait")

        supervisor.run(on_ready)
    output.line("Stopped.")


def worker(
    queue: Annotated[Queue, typer.Argument(metavar="QUEUE", help="default, siglip or sam3.")],
) -> None:
    """Run one worker; `up` does this for all three queues."""
    resolve_name(_WORKER)(queue, read_settings())


def api(host: Host = None, port: Port = None) -> None:
    """Run the API alone; `up` does this with all that it needs."""
    settings = read_settings()
    host, port = _address(settings, host, port)
    resolve_name(_API)(settings, host, port)


def doctor(as_json: Json = False) -> None:
    """Check this machine; exit 1 when something cannot work."""
    findings = checks.examine(read_settings(), CHECKS, show=None if as_json else checks.Printer().show)
    has_failed = any(finding.status == checks.Status.FAIL for finding in findings)
    if as_json:
        output.print_json({"ok": not has_failed, "checks": [finding.as_json() for finding in findings]})
    else:
        output.line()
        output.line(checks.verdict(findings))
    if has_failed:
        raise typer.Exit(1)


def demo(
    folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where the results go.")] = Path(
        "demo-output"
    ),
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data here.  [default: in the output]")
    ] = None,
    models: Annotated[
        DemoModels, typer.Option(help="Small untrained ones, or those of the settings.")
    ] = DemoModels.PACKAGED,
) -> None:
    """Take a sample video the whole way, then stop."""
    from komadori.cli.demo import story  # it draws, and that takes time to load

    story.tell(folder, home, models)


def _say(part: str, text: str) -> None:
    output.line(f"  {part:<9} {text}")


def _address(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen: as said, else where the command line will look."""
    url = urlsplit(settings.url)
    return host or url.hostname or "127.0.0.1", port or url.port or 8000


def _reachable(host: str) -> str:
    """Where this machine reaches a server that listens on an address, as it stands in a URL."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{own}]" if ":" in own else own
