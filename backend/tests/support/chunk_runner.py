"""A worker without a broker: claims every chunk of a database, in an order of its own, until a job has ended.

``python -m tests.support.chunk_runner HOME SEED JOB...``; prints the ids of the chunks that it did.
"""

import random
import sys
from pathlib import Path

from komadori.services import jobs
from tests.support.jobs import KIND, attach, succeed


def main(home: str, seed: str, *job_ids: str) -> None:
    system = attach(Path(home))
    order = random.Random(int(seed))
    waiting = {int(job_id) for job_id in job_ids}
    while waiting:
        jobs.reap(system.ctx)
        chunks = [chunk for job_id in waiting for chunk in system.chunks(job_id)]
        order.shuffle(chunks)
        for chunk in chunks:
            if jobs.run_chunk(system.ctx, chunk.id, {KIND: succeed}, f"runner-{seed}") is not None:
                print(chunk.id, flush=True)  # noqa: T201
        waiting = {job_id for job_id in waiting if not system.job(job_id).state.is_terminal}
    system.ctx.sessions.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
