"""How much work waits in the queues: for people, for alarms, and for scaling by it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select, text
from sqlalchemy.orm import Session

from komadori.core.types import JobState, Queue
from komadori.db.tables import ChunkCountRow, JobRow


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """A queue: its chunks and the jobs that they belong to, by the state of the chunks.

    Those that wait in a paused job count as paused: no worker is missing for them.
    ``oldest_queued_s`` tells how long ago the oldest job with a queued chunk was asked for.
    """

    queue: Queue
    chunks: Mapping[JobState, int]
    jobs: Mapping[JobState, int]
    oldest_queued_s: float | None


def loads(session: Session) -> list[QueueLoad]:
    """Every queue, also those without work; takes no longer for many chunks."""
    is_paused = ChunkCountRow.job_id.in_(select(JobRow.id).where(JobRow.state == JobState.PAUSED))
    state = case(
        (and_(ChunkCountRow.state == JobState.QUEUED, is_paused), JobState.PAUSED), else_=ChunkCountRow.state
    )
    counts = session.execute(
        select(ChunkCountRow.queue, state, func.sum(ChunkCountRow.n), func.count())
        .where(ChunkCountRow.n > 0)
        .group_by(ChunkCountRow.queue, state)
    ).all()
    oldest = session.execute(
        select(ChunkCountRow.queue, func.min(JobRow.created_s))
        .join(JobRow, JobRow.id == ChunkCountRow.job_id)
        .where(
            ChunkCountRow.queue.in_([queue.value for queue in Queue]),
            ChunkCountRow.state == JobState.QUEUED,
            ChunkCountRow.n > text("0"),  # in the words of an index
            JobRow.state != JobState.PAUSED,
        )
        .group_by(ChunkCountRow.queue)
    ).all()
    now, asked_s = time.time(), {queue: created_s for queue, created_s in oldest}  # noqa: C416
    return [
        QueueLoad(
            queue,
            {JobState(state): int(chunks) for name, state, chunks, _ in counts if name == queue},
            {JobState(state): jobs for name, state, _, jobs in counts if name == queue},
            now - asked_s[queue] if queue in asked_s else None,
        )
        for queue in Queue
    ]
