"""For those who watch over the process: whether it lives, whether it can work, and its figures."""

from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from komadori.api import system_answers as answers
from komadori.api.deps import Ctx
from komadori.api.errors import problem
from komadori.api.guard import OPEN_PATH
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import queues, workers
from komadori.services import readiness
from komadori.services.context import Context

router = APIRouter(tags=["health"])


@router.get(OPEN_PATH)
async def is_alive() -> answers.Health:
    """That the process answers; looks at nothing else, so an outage elsewhere does not restart it."""
    return answers.Health()


@router.get("/readyz", response_model=answers.Readiness)
def is_ready(ctx: Ctx, request: Request) -> answers.Readiness | Response:
    """Whether work is accepted, and which parts are missing; 503 only when it is not accepted."""
    found = readiness.lacks(ctx, request.app.state.reaper.trouble)
    lacks = [answers.Lack.of(lack) for lack in found]
    if found and found[0].is_essential:
        first, told = lacks[0], [lack.model_dump() for lack in lacks]
        return problem(503, first.code, first.detail, first.hint, lacks=told)
    return answers.Readiness(status="degraded" if lacks else "ok", lacks=lacks)


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
