"""How much work waits in the queues: for people, for alarms, and for scaling by it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from komadori.core.types import JobState, Queue
from komadori.db.tables import ChunkRow, JobRow


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """A queue: its chunks and the jobs that they belong to, by the state of the chunks.

    ``oldest_queued_s`` tells how long ago the oldest job with a queued chunk was asked for.
    """

    queue: Queue
    chunks: Mapping[JobState, int]
    jobs: Mapping[JobState, int]
    oldest_queued_s: float | None


def loads(session: Session) -> list[QueueLoad]:
    """Every queue, also those without work."""
    counts = session.execute(
        select(ChunkRow.queue, ChunkRow.state, func.count(), func.count(ChunkRow.job_id.distinct())).group_by(
            ChunkRow.queue, ChunkRow.state
        )
    ).all()
    oldest = session.execute(
        select(ChunkRow.queue, func.min(JobRow.created_s))
        .join(JobRow, JobRow.id == ChunkRow.job_id)
        .where(ChunkRow.state == JobState.QUEUED)
        .group_by(ChunkRow.queue)
    ).all()
    now, asked_s = time.time(), {queue: created_s for queue, created_s in oldest}  # noqa: C416
    return [
        QueueLoad(
            queue,
            {JobState(state): chunks for name, state, chunks, _ in counts if name == queue},
            {JobState(state): jobs for name, state, _, jobs in counts if name == queue},
            now - asked_s[queue] if queue in asked_s else None,
        )
        for queue in Queue
    ]
