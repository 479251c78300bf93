"""What becomes of chunks whose worker is gone: tried again, split until the culprit is alone, or set aside.

A worker that ends while it does a chunk is one death of that chunk. A chunk that is a list of items
is split in halves at its second death, a half at the next one, and so on; an item alone is set aside
when it ended its worker ``max_attempts`` times. Why so: ``docs/adr/0019``.

Everything about a lost chunk is decided in one transaction, so that it does no harm when the reaper
itself dies.
"""

import logging
import time
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy.orm import Session

from komadori.core import process_names
from komadori.core.errors import NotFoundError
from komadori.core.types import Chunk, ItemOutcome, JobState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs, videos
from komadori.db.repositories.chunks import Counts, Held, Issue, NewChunk
from komadori.services.context import Context

_DEATHS_BEFORE_SPLIT = 2
"""One may be bad luck. A half inherits all but the last of these: it stands under suspicion already."""

_PATIENCE_S = 10.0
"""How long an owner that has slept, or lives and hangs, may take to renew its lease."""

_JUMP_S = 2.0
"""A clock that goes ahead by more than this was set, or the machine has slept."""

_log = logging.getLogger(__name__)


def take_back(ctx: Context) -> None:
    """Take the chunks of workers that are gone."""
    with ctx.sessions.read() as session:
        held = chunk_rows.held(session, ctx.options.lease_s)
    lost = sorted(_lost(ctx, held), key=attrgetter("job_id", "chunk_id"))
    for job_id, group in groupby(lost, key=attrgetter("job_id")):
        try:
            with ctx.sessions.write() as session:
                _take_back(ctx, session, job_id, list(group))
        except NotFoundError as error:
            _log.warning("a chunk was lost with its job: %s", error)


def _lost(ctx: Context, held: Sequence[Held]) -> list[Held]:
    """Those whose owner is certainly gone, or silent for too long.

    After machines have slept, or the clock was set, all leases have run out while all owners live, and
    the reaper may wake up first. So owners that live here get some time of being awake to renew theirs,
    and when this machine itself has slept, those elsewhere do as well: in containers, say.
    """
    now, memory = time.monotonic(), ctx.memory
    ahead_s = time.time() - now
    if ahead_s > memory.clock_ahead_s + _JUMP_S:
        memory.woke_up_s = now
    memory.clock_ahead_s = ahead_s
    gone = [chunk for chunk in held if process_names.is_gone(chunk.owner)]
    silent = {
        (chunk.chunk_id, chunk.owner): chunk for chunk in held if chunk.is_expired and chunk not in gone
    }
    memory.silent_since = {key: memory.silent_since.get(key, now) for key in silent}

    def patient_since(key: tuple[int, str]) -> float:
        return memory.silent_since[key] if process_names.is_here(key[1]) else memory.woke_up_s

    return gone + [chunk for key, chunk in silent.items() if now - patient_since(key) > _PATIENCE_S]


def _take_back(ctx: Context, session: Session, job_id: int, lost: Sequence[Held]) -> None:
    job = jobs.lock(session, job_id)
    for held in lost:
        chunk = chunk_rows.lock_lost(session, held, ctx.options.lease_s)
        if chunk is None:
            continue
        if job.is_cancel_requested:
            error = "Its worker was lost while it was being cancelled."
            chunk_rows.lose(session, chunk, JobState.CANCELLED, Counts(), error)
        else:
            _decide(session, chunk, ctx.options.max_attempts)
        _log.warning("chunk %s lost its worker at attempt %s", chunk.id, chunk.attempts)
    jobs.settle(session, job_id)


def _decide(session: Session, chunk: Chunk, max_attempts: int) -> None:
    deaths, is_last = chunk.deaths + 1, chunk.attempts >= max_attempts
    n_items = len(_items_of(chunk) or ())
    if n_items > 1 and (is_last or deaths >= _DEATHS_BEFORE_SPLIT):
        _split(session, chunk)
    elif not is_last:
        chunk_rows.lose(session, chunk, JobState.QUEUED, Counts(), "Its worker was lost; it is tried again.")
    elif n_items == 1:
        _set_aside(session, chunk)
    else:
        reason = f"The worker was lost {_how_often(chunk)}. Its log and the system's say why."
        chunk_rows.lose(session, chunk, JobState.FAILED, Counts(failed=chunk.total), reason)


def _split(session: Session, chunk: Chunk) -> None:
    items = _items_of(chunk)
    assert items is not None
    middle = len(items) // 2
    halves = [
        NewChunk(chunk.kind, chunk.queue, _payload_of(chunk, part), len(part), _inherited_deaths(part))
        for part in (items[:middle], items[middle:])
    ]
    first, second = chunk_rows.add(session, chunk.job_id, halves)
    error = f"Its worker was lost, so its {len(items)} items go on in halves: chunks {first} and {second}."
    chunk_rows.lose(session, chunk, JobState.DONE, Counts(), error)
    chunk_rows.empty(session, chunk)


def _inherited_deaths(items: Sequence[int]) -> int:
    """An item alone has all its attempts: what it is accused of must be its own doing, more than once."""
    return _DEATHS_BEFORE_SPLIT - 1 if len(items) > 1 else 0


def _set_aside(session: Session, chunk: Chunk) -> None:
    reason = (
        f"It ended its worker {_how_often(chunk)} and was set aside. The worker's log and the system's say "
        f"why, often that the memory ran out. `komadori jobs retry {chunk.job_id}` gives it another chance."
    )
    issue = Issue(_name_of_item(session, chunk), ItemOutcome.SKIPPED, reason)
    chunk_rows.lose(session, chunk, JobState.DONE, Counts(skipped=chunk.total), "Set aside.", [issue])


def _how_often(chunk: Chunk) -> str:
    deaths = chunk.deaths + 1
    if deaths >= chunk.attempts:
        return f"{deaths} times in a row" if deaths > 1 else "once"
    return f"in {deaths} of {chunk.attempts} attempts"


def _items_of(chunk: Chunk) -> list[int] | None:
    """The items that the payload of a chunk lists; None when it is no list of items."""
    payload = chunk.payload
    listed = payload.get("frame_ids") or payload.get("decode_indices")
    found: list[int] | None = listed or payload.get("segment", {}).get("targets")
    return found


def _payload_of(chunk: Chunk, items: Sequence[int]) -> dict[str, object]:
    """The payload of a chunk with these of its items."""
    payload = chunk.payload
    if "segment" in payload:
        return {**payload, "segment": {**payload["segment"], "targets": list(items)}}
    name = "frame_ids" if "frame_ids" in payload else "decode_indices"
    return {**payload, name: list(items)}


def _name_of_item(session: Session, chunk: Chunk) -> str:
    """The only item of a chunk, in the words of the services."""
    [item] = _items_of(chunk) or [0]
    if "frame_ids" in chunk.payload:
        return f"frame {item}"
    source = chunk.payload if "video_id" in chunk.payload else jobs.get(session, chunk.job_id).parameters
    return f"frame {item} of {videos.get(session, source['video_id']).name}"
