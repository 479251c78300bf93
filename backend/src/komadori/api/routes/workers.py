"""Which worker processes are alive."""

from fastapi import APIRouter

from komadori.api import system_answers as answers
from komadori.api.deps import Ctx
from komadori.db.repositories import workers

router = APIRouter(prefix="/workers", tags=["system"])


@router.get("")
def list_workers(ctx: Ctx) -> list[answers.Worker]:
    """The worker processes that have reported in the last 15 seconds."""
    with ctx.sessions.read() as session:
        found = workers.living(session)
    return [answers.Worker.of(worker) for worker in found]
