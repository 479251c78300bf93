"""Takes back, every few seconds, the chunks of workers that are gone; removes uploads whose time is over."""

import logging
import threading
import time

from komadori.core.errors import KomadoriError
from komadori.services import jobs, uploads
from komadori.services.context import Context

_EXPIRE_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Reaper:
    """A thread that reaps until it is stopped; no error ends it."""

    def __init__(self, ctx: Context, every_s: float) -> None:
        self._ctx = ctx
        self._every_s = every_s
        self._must_stop = threading.Event()
        self.trouble: KomadoriError | None = None
        """Why the last round did not succeed, if it is known."""
        self._last_error = ""
        self._expire_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after a round that has begun."""
        self._must_stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._must_stop.wait(self._every_s):
            try:
                jobs.reap(self._ctx)
                self._expire()
                self._last_error, self.trouble = "", None
            except KomadoriError as error:
                self.trouble = error
                self._log_once(str(error))
            except Exception as error:  # noqa: BLE001 - it must go on
                self._log_once(f"{type(error).__name__}: {error}", exc_info=True)

    def _expire(self) -> None:
        """Now and then: they live for days."""
        if time.monotonic() >= self._expire_at_s:
            self._expire_at_s = time.monotonic() + _EXPIRE_EVERY_S
            uploads.expire(self._ctx)

    def _log_once(self, error: str, *, exc_info: bool = False) -> None:
        """Log an error when it is another one than in the round before."""
        if error != self._last_error:
            _log.error("the reaper could not do a round: %s", error, exc_info=exc_info)
        self._last_error = error
