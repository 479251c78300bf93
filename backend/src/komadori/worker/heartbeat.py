"""A file that a living worker touches, so that a health check needs neither broker nor database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.worker.consumer import Consumer

from komadori.core.disk import storage_errors

_BEAT_EVERY_S = 5.0


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
    app.steps["worker"].add(_beating_step(path))
    app.conf.worker_consumer = _beating_consumer(path)


def _beating_step(path: Path) -> type[Any]:
    class Beat(bootsteps.StartStopStep):  # type: ignore[misc]
        """Touches the file by the timer of the event loop."""

        requires = ("celery.worker.components:Timer",)

        def start(self, worker: Any) -> None:
            beat(path)
            worker.timer.call_repeatedly(_BEAT_EVERY_S, beat, (path,))

    return Beat


def _beating_consumer(path: Path) -> type[Any]:
    class BeatingConsumer(Consumer):  # type: ignore[misc]
        """Touches the file while it waits for the broker, once a second."""

        def ensure_connected(self, conn: Any) -> Any:
            ensure = conn.ensure_connection

            def ensure_and_beat(errback: Any, max_retries: Any, callback: Callable[[], object]) -> Any:
                def on_pause() -> None:
                    beat(path)
                    callback()

                return ensure(errback, max_retries, callback=on_pause)

            conn.ensure_connection = ensure_and_beat
            return super().ensure_connected(conn)

    return BeatingConsumer
