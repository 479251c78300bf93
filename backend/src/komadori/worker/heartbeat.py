"""A file that a living worker touches, so that a health check needs neither broker nor database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.worker.consumer import Consumer

from komadori.core.disk import storage_errors

_BEAT_EVERY_S = 5.0
_SETTING = "komadori_heartbeat"
"""In the configuration of the application, which a child that is started afresh gets too."""


def beat(path: Path | None) -> None:
    """Touch the file, if there is to be one.

    Raises:
        StorageError: It cannot be written.
    """
    if path is None:
        return
    with storage_errors("touch KOMADORI_HEARTBEAT"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def install(app: Celery, path: Path) -> None:
    """Let a worker touch the file from its event loop: a loop that hangs is no living worker.

    While the broker is away the loop stands still and the worker tries to connect, which counts.
    """
    app.conf.update({_SETTING: str(path), "worker_consumer": f"{__name__}:BeatingConsumer"})
    app.steps["worker"].add(Beat)


class Beat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the file by the timer of the worker's event loop."""

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        """Begin, with the start of the worker."""
        worker.timer.call_repeatedly(_BEAT_EVERY_S, beat, (_path(worker.app),))


class BeatingConsumer(Consumer):  # type: ignore[misc]
    """Touches the file while it tries to reach the broker, about once a second."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one."""
        ensure = conn.ensure_connection

        def ensure_and_beat(errback: Any, max_retries: Any, callback: Callable[[], object]) -> Any:
            def on_pause() -> None:
                beat(_path(self.app))
                callback()

            return ensure(errback, max_retries, callback=on_pause)

        conn.ensure_connection = ensure_and_beat
        return super().ensure_connected(conn)


def _path(app: Celery) -> Path:
    return Path(app.conf[_SETTING])
