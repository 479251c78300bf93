"""Jobs over the WebSocket: every client hears of every job, from one look at the database for all."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession

from komadori.api.app import create_app
from komadori.api.events import EventHub
from komadori.core.types import JobState, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.db.tables import JobRow
from komadori.services import jobs
from komadori.services.context import Context
from tests.support.app import InlineSystem, inline_context, inline_system

EVENTS = "ws://127.0.0.1:8000/api/v1/events"
OWNER = "worker-a"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path) as system:
        system.queue.run_chunk = lambda _chunk_id: None
        yield system


def submit(ctx: Context, items: int = 10) -> int:
    return jobs.submit(ctx, "embed", 1, {}, [NewChunk("embed", Queue.SIGLIP, {}, items)]).id


def claim(ctx: Context, job_id: int) -> Any:
    with ctx.sessions.write() as session:
        chunk = chunk_rows.of_job(session, job_id)[0]
        return chunk_rows.claim(session, chunk.id, OWNER, 30.0, 3)


def advance(ctx: Context, job_id: int, done: int) -> None:
    with ctx.sessions.write() as session:
        chunk_rows.renew(session, chunk_rows.of_job(session, job_id)[0].id, OWNER, 30.0, done)


def finish(ctx: Context, job_id: int, chunk: Any) -> None:
    with ctx.sessions.write() as session:
        chunk_rows.finish(session, chunk, OWNER, JobState.DONE, Counts(done=chunk.total))
        rows.settle(session, job_id)


def hear(websocket: WebSocketTestSession, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The messages up to the first one that is wanted."""
    messages = []
    while True:
        messages.append(websocket.receive_json())
        if wanted(messages[-1]["job"]):
            return messages


def test_two_clients_hear_of_a_job_from_its_start_to_its_end(system: InlineSystem) -> None:
    with system.client.websocket_connect(EVENTS) as first, system.client.websocket_connect(EVENTS) as second:
        job_id = submit(system.ctx)
        chunk = claim(system.ctx, job_id)
        advance(system.ctx, job_id, 4)
        for client in (first, second):
            messages = hear(client, lambda job: job["done"] == 4)
            assert messages[-1]["type"] == "job"
            assert messages[-1]["job"]["state"] == "running"
            assert "chunks" not in messages[-1]["job"]
        finish(system.ctx, job_id, chunk)
        for client in (first, second):
            messages = hear(client, lambda job: job["state"] == "done")
            assert messages[-1]["job"]["id"] == str(job_id)
            assert messages[-1]["job"]["done"] == 10


def test_who_comes_later_hears_of_what_runs_and_not_of_what_has_ended_long_ago(
    system: InlineSystem,
) -> None:
    ended = submit(system.ctx, items=1)
    finish(system.ctx, ended, claim(system.ctx, ended))
    _end_long_ago(system.ctx, ended)
    running = submit(system.ctx)
    for _ in range(2):
        with system.client.websocket_connect(EVENTS) as client:
            assert client.receive_json()["job"]["id"] == str(running)


def test_messages_are_numbered_in_the_order_of_the_changes(system: InlineSystem) -> None:
    with system.client.websocket_connect(EVENTS) as client:
        ids = [submit(system.ctx) for _ in range(5)]
        heard = [client.receive_json() for _ in ids]
    assert [message["job"]["id"] for message in heard] == [str(job_id) for job_id in ids]
    numbers = [message["seq"] for message in heard]
    assert numbers == sorted(set(numbers))


def test_what_a_client_says_is_ignored(system: InlineSystem) -> None:
    with system.client.websocket_connect(EVENTS) as client:
        client.send_text("x" * 1000)
        client.send_bytes(b"\x00")
        job_id = submit(system.ctx)
        assert client.receive_json()["job"]["id"] == str(job_id)


def test_the_database_is_looked_at_once_for_all_and_not_at_all_for_none(tmp_path: Path) -> None:
    _, ctx, queue = inline_context(tmp_path)
    queue.run_chunk = lambda _chunk_id: None
    looks = 0

    class Counting(EventHub):
        def _look(self) -> Any:
            nonlocal looks
            looks += 1
            return super()._look()

    async def listen() -> tuple[int, int]:
        hub = Counting(ctx)
        async with hub.subscribe() as a, hub.subscribe() as b, hub.subscribe() as c:
            job_id = submit(ctx)
            for subscriber in (a, b, c):
                events = await asyncio.wait_for(subscriber.changes(), 10)
                assert [event.job.id for event in events] == [str(job_id)]
        heard = looks
        await asyncio.sleep(0.6)
        return heard, looks

    heard, later = asyncio.run(listen())
    assert 1 <= heard <= 3
    assert later <= heard + 1


def test_who_reads_slowly_misses_states_in_between_but_not_the_last(tmp_path: Path) -> None:
    _, ctx, queue = inline_context(tmp_path)
    queue.run_chunk = lambda _chunk_id: None

    async def listen() -> tuple[list[int], list[int]]:
        hub = EventHub(ctx)
        async with hub.subscribe() as slow, hub.subscribe() as quick:
            job_id = submit(ctx)
            claim(ctx, job_id)
            heard: list[int] = []
            for done in range(1, 4):
                advance(ctx, job_id, done)
                while not heard or heard[-1] != done:
                    heard += [event.job.done for event in await asyncio.wait_for(quick.changes(), 10)]
            return heard, [event.job.done for event in await slow.changes()]

    quick, slow = asyncio.run(listen())
    assert quick[-3:] == [1, 2, 3]
    assert slow == [3]


def test_an_error_of_the_database_does_not_end_the_looking(tmp_path: Path) -> None:
    _, ctx, queue = inline_context(tmp_path)
    queue.run_chunk = lambda _chunk_id: None

    class Failing(EventHub):
        n_failures = 0

        def _look(self) -> Any:
            if self.n_failures < 2:
                self.n_failures += 1
                raise RuntimeError("the disk is gone")
            return super()._look()

    async def listen() -> str:
        async with Failing(ctx).subscribe() as subscriber:
            job_id = submit(ctx)
            events = await asyncio.wait_for(subscriber.changes(), 10)
            assert events[0].job.id == str(job_id)
            return "heard"

    assert asyncio.run(listen()) == "heard"


def test_the_reaper_of_a_running_api_takes_back_the_chunk_of_a_dead_worker(tmp_path: Path) -> None:
    settings, ctx, queue = inline_context(tmp_path)
    queue.run_chunk = lambda _chunk_id: None
    job_id = submit(ctx)
    with ctx.sessions.write() as session:
        chunk = chunk_rows.of_job(session, job_id)[0]
        chunk_rows.claim(session, chunk.id, OWNER, -1.0, 3)
    app = create_app(settings, ctx, reap_every_s=0.05)
    told: list[int] = []
    queue.run_chunk = told.append
    with TestClient(app, base_url="http://127.0.0.1"):
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.02)
    assert told[:1] == [chunk.id]


def test_no_error_ends_the_reaper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, ctx, _ = inline_context(tmp_path)
    rounds: list[None] = []

    def fail(_ctx: Context) -> None:
        rounds.append(None)
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(jobs, "reap", fail)
    with TestClient(create_app(settings, ctx, reap_every_s=0.01), base_url="http://127.0.0.1"):
        deadline = time.monotonic() + 20
        while len(rounds) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(rounds) >= 3


def _end_long_ago(ctx: Context, job_id: int) -> None:
    with ctx.sessions.write() as session:
        session.get_one(JobRow, job_id).finished_s = time.time() - 3600
