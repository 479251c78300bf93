"""Runs everything on this machine in the foreground, until it is told to stop."""

import time
from collections.abc import Sequence
from pathlib import Path

import komadori
from komadori import bootstrap
from komadori.cli import browser, output
from komadori.cli.client import ApiClient
from komadori.cli.configuration import listening_address, read_settings
from komadori.cli.home_lock import locked_home
from komadori.cli.supervisor import Supervisor, check_port
from komadori.core.disk import storage_errors
from komadori.core.errors import KomadoriError
from komadori.settings import Settings


def run_up(host: str | None, port: int | None, home: Path | None, *, is_shown: bool = False) -> None:
    """Prepare the home, hold it, and run all parts; ``is_shown`` opens the web UI in a browser.

    Raises:
        ConflictError: The home or the port is in use, or a newer version made the database.
        DependencyError: There is no broker, or the API cannot start.
        StorageError: The home cannot be written.
    """
    started_s = time.monotonic()
    host, port = listening_address(read_settings(), host, port)
    settings = read_settings(home=home, url=f"http://{_reachable(host)}:{port}")
    settings = settings.model_copy(update={"home": settings.home.expanduser().absolute()})
    output.line(f"Komadori {komadori.__version__}, home {settings.home}")
    with storage_errors("make the home"):
        settings.home.mkdir(parents=True, exist_ok=True)
    with locked_home(settings.home, settings.url):
        check_port(host, port)
        bootstrap.prepare_home(settings)

        def on_ready(waiting: Sequence[str]) -> None:
            waited = output.span(time.monotonic() - started_s)
            if waiting:
                names = " and ".join(waiting)
                output.line(f"Up after {waited}; {names} will begin without a restart. Ctrl+C stops it.")
            else:
                output.line(f"Ready after {waited}. Ctrl+C stops it.")
            _invite(settings, is_shown=is_shown)
            output.next_step("Next, in another terminal: komadori add VIDEO --wait")

        Supervisor(settings, host, port, _say).run(on_ready)
    output.line("Stopped.")


def _invite(settings: Settings, *, is_shown: bool) -> None:
    """Say where the web UI is, and open it if that was asked."""
    token = settings.token.get_secret_value() if settings.token else None
    try:
        with ApiClient(settings.url, token) as api:
            has_ui = api.session().has_ui
    except KomadoriError:  # the API has just died, and is started again
        has_ui = False
    if has_ui:
        output.line(f"In a browser: {browser.address(settings.url, token)}")
    elif is_shown:
        output.note("This installation has no web UI; in a checkout, `make ui` builds it.")
    if has_ui and is_shown:
        browser.open_page(browser.address(settings.url, None))


def _say(part: str, text: str) -> None:
    output.line(f"  {part:<9} {text}")


def _reachable(host: str) -> str:
    """Where this machine reaches a server that listens on an address, as it stands in a URL."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{own}]" if ":" in own else own
