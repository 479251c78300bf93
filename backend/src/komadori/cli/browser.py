"""The web UI from the command line: its address, and a browser that shows it."""

import os
import subprocess
import sys
import threading
from urllib.parse import quote

from komadori.cli import output

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def address(url: str, token: str | None) -> str:
    """Where a browser comes in: with the token behind the ``#``, which is sent to no server."""
    return f"{url}/#token={quote(token, safe='')}" if token else f"{url}/"


def open_page(url: str) -> None:
    """Open a page in the user's browser, or say that there is no screen to show it on.

    The address must have no token: everybody on the machine can read the command line of a browser.
    """
    if not _has_screen():
        output.note("There is no screen here to open a browser on.")
        return
    threading.Thread(target=_open, args=(url,), name="browser", daemon=True).start()


def _open(url: str) -> None:
    """In a process away from the terminal, which a browser in text mode would take over."""
    subprocess.run(
        [sys.executable, "-m", "webbrowser", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )


def _has_screen() -> bool:
    """Whether a browser would be seen; one that is named in BROWSER knows what it does."""
    is_desktop = sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in _SCREENS)
    return is_desktop or bool(os.environ.get("BROWSER"))
