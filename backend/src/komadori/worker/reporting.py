"""How a worker process says that it lives, and how it is."""

import logging

from komadori.core.errors import KomadoriError
from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.services.context import Context

REPORT_EVERY_S = 5.0
"""A third of the silence after which a worker counts as gone."""

_log = logging.getLogger(__name__)


def report(ctx: Context, name: str, queue: Queue, state: WorkerState, detail: str) -> None:
    """Write it into the table of workers; a database that is away is no fault of the worker."""
    try:
        with ctx.sessions.write() as session:
            workers.report(session, name, queue, state, detail)
    except KomadoriError as error:
        _log.warning("this worker could not report: %s", error)
