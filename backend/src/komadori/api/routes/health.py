"""For those who watch over the process: whether it lives, whether it can work, and its figures."""

from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from komadori.api import system_answers as answers
from komadori.api.deps import Ctx
from komadori.api.guard import OPEN_PATH
from komadori.core.errors import DependencyError, StorageError
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db import migrate
from komadori.db.repositories import queues, workers
from komadori.services.context import Context

router = APIRouter(tags=["health"])


@router.get(OPEN_PATH)
async def is_alive() -> answers.Health:
    """That the process answers; looks at nothing else, so an outage elsewhere does not restart it."""
    return answers.Health()


@router.get("/readyz")
def is_ready(ctx: Ctx) -> answers.Health:
    """That the database has the newest schema and the broker answers."""
    if not migrate.is_newest(ctx.sessions):
        raise StorageError(
            "The database does not have the schema of this version.",
            hint="Start the API with `komadori up`, which brings it up to date.",
            code="database-not-migrated",
        )
    if not ctx.queue.is_reachable():
        raise DependencyError(
            "The broker does not answer.",
            hint="Check that Redis runs at KOMADORI_BROKER_URL; `komadori up` starts one of its own.",
            code="broker-unreachable",
        )
    return answers.Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(ctx: Ctx) -> Response:
    """The load of the queues and the workers, for Prometheus; read from the database at each scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Load(ctx))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Load(Collector):
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The state of the system at this moment."""
        with self._ctx.sessions.read() as session:
            loads = queues.loads(session)
            seen = workers.living(session)
        labels = ["queue", "state"]
        jobs = GaugeMetricFamily("komadori_jobs", "Jobs with chunks of this queue and state.", labels=labels)
        chunks = GaugeMetricFamily("komadori_chunks", "Chunks of jobs.", labels=labels)
        oldest = GaugeMetricFamily(
            "komadori_oldest_queued_seconds", "Age of the oldest job with a queued chunk.", labels=["queue"]
        )
        alive = GaugeMetricFamily("komadori_workers", "Worker processes that report.", labels=labels)
        for load in loads:
            for state in JobState:
                jobs.add_metric([load.queue, state], load.jobs.get(state, 0))
                chunks.add_metric([load.queue, state], load.chunks.get(state, 0))
            oldest.add_metric([load.queue], load.oldest_queued_s or 0.0)
        for queue in Queue:
            counts = Counter(worker.state for worker in seen if worker.queue == queue) or {
                WorkerState.READY: 0
            }
            for name, n in sorted(counts.items()):
                alive.add_metric([queue, name], n)
        yield from (jobs, chunks, oldest, alive)
