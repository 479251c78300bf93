"""What this installation is, and how busy."""

from fastapi import APIRouter

import komadori
from komadori.api import system_answers as answers
from komadori.api.deps import Configuration, Ctx
from komadori.db.repositories import queues

router = APIRouter(prefix="/system", tags=["system"])


@router.get("")
def get_system(ctx: Ctx, settings: Configuration) -> answers.System:
    """The version, the settings that matter, and the load of the queues."""
    with ctx.sessions.read() as session:
        loads = queues.loads(session)
    return answers.System(
        version=komadori.__version__,
        embedder=settings.embedder,
        segmenter=settings.segmenter,
        device=settings.device,
        database="sqlite" if ctx.sessions.engine.dialect.name == "sqlite" else "postgresql",
        home=str(ctx.home),
        is_offline=settings.offline,
        queues=[answers.QueueState.of(load) for load in loads],
    )
