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
from komadori.doctor.roles import ROLES

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
    is_shown: Annotated[bool, typer.Option("--open", help="Open the web UI in a browser.")] = False,
) -> None:
    """Run everything on this machine: API with web UI, three workers, broker and database.

    Stops with Ctrl+C. What dies is started again; logs are in the home.
    """
    from komadori.cli.up import run_up

    run_up(host, port, home, is_shown=is_shown)


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


def _known_role(role: str) -> str:
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is not one of {', '.join(ROLES)}.")
    return role


def doctor(
    role: Annotated[
        str,
        typer.Option(
            metavar="|".join(ROLES),
            callback=_known_role,
            help="What runs here: all, or one image.",
        ),
    ] = "all",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Fail where there is no GPU.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Run no model, which takes minutes without a GPU.")
    ] = False,
    as_json: Json = False,
    write_settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what suits this machine, such as the batch, to this .env."),
    ] = None,
) -> None:
    """Check this machine; exit 1 when something cannot work.

    Each fault comes with a remedy. Tokens and passwords are masked, so that the output can be pasted.
    """
    from komadori.doctor import roles
    from komadori.doctor.env_file import write_settings as write
    from komadori.doctor.printing import present
    from komadori.doctor.report import has_failed

    checks = roles.checks(role, require_gpu=require_gpu, is_quick=quick)
    findings = present(read_settings(), checks, as_json=as_json)
    chosen = {name: value for finding in findings for name, value in finding.result.settings.items()}
    if write_settings is not None and chosen:
        write(write_settings, chosen)
        output.note(f"{write_settings}: " + ", ".join(f"{name}={value}" for name, value in chosen.items()))
    elif write_settings is not None:
        output.note("No check had a setting to write; a model must be here and run for that.")
    if has_failed(findings):
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
        typer.Option(metavar="packaged|configured", help="The small ones, or those of the settings."),
    ] = DemoModels.PACKAGED,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of the synthetic video; another one, another video.")
    ] = 8,
    is_shown: Annotated[
        bool, typer.Option("--open", help="Then open the web UI in a browser, and stop with Ctrl+C.")
    ] = False,
) -> None:
    """Take a synthetic and a real video the whole way, measure, then stop."""
    from komadori.cli.demo import story

    story.tell(folder, home, models, seed, is_shown=is_shown)
