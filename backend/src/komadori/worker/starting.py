"""Ends children that are still starting when their worker is told to stop."""

from typing import Any

from celery import bootsteps


class EndStarting(bootsteps.StartStopStep):  # type: ignore[misc]
    """A child that loads its model, or tries to, holds no chunk and does not listen: it is ended.

    Celery waits for it otherwise, which may take as long as loading does, and for ever where
    the model cannot be loaded.
    """

    requires = ("celery.worker.components:Pool",)

    def close(self, worker: Any) -> None:
        """End them, once the worker takes no more tasks."""
        pool = worker.pool._pool  # noqa: SLF001  (Celery tells nobody which of them are up)
        for process in list(pool._pool):  # noqa: SLF001
            if process.inqW_fd not in pool._fileno_to_inq:  # noqa: SLF001
                process.terminate()
