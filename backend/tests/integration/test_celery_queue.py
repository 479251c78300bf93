"""Hints over a broker that is there, one that is down, and one that answers nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from komadori.core.types import Priority, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.chunks import NewChunk
from komadori.queueing.celery_queue import create
from komadori.services import jobs
from tests.support.app import inline_context
from tests.support.workers import installation


@contextmanager
def refusing_server() -> Iterator[tuple[str, list[None]]]:
    """A server that hangs up on every caller: its URL as a broker, and an entry for each call."""
    calls: list[None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                calls.append(None)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", calls
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_running_broker_takes_hints(tmp_path: Path) -> None:
    with installation(tmp_path) as system:
        queue = create(system.settings.effective_broker_url)
        assert queue.is_reachable()
        assert queue.wake_for_chunk(Queue.DEFAULT, 1, Priority.BULK)
        assert queue.wake_for_query(Queue.SIGLIP, 1)
        system.kill_broker()
        assert not queue.is_reachable()
        assert not queue.wake_for_query(Queue.SIGLIP, 2)
        system.start_broker()
        assert queue.is_reachable()
        assert queue.wake_for_query(Queue.SIGLIP, 3)


def test_a_hint_is_given_up_after_a_few_calls() -> None:
    with refusing_server() as (url, calls):
        assert not create(url).wake_for_chunk(Queue.DEFAULT, 1)
        n_calls_for_a_hint = len(calls)
        assert not create(url).is_reachable()
    assert n_calls_for_a_hint <= 4


def test_a_job_is_accepted_while_the_broker_is_down_and_asks_it_only_once(tmp_path: Path) -> None:
    _, ctx, queue = inline_context(tmp_path)
    asked: list[int] = []

    class Down:
        def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
            asked.append(chunk_id)
            return False

        def wake_for_query(self, queue: Queue, query_id: int) -> bool:
            return False

        def is_reachable(self) -> bool:
            return False

    chunks = [NewChunk("embed", Queue.SIGLIP, {}, 1) for _ in range(10)]
    job_id = jobs.submit(replace(ctx, queue=Down()), "embed", 1, {}, chunks).id
    assert len(asked) == 1
    told: list[int] = []
    queue.run_chunk = told.append
    jobs.announce(ctx)
    with ctx.sessions.read() as session:
        assert told == [chunk.id for chunk in chunk_rows.of_job(session, job_id)][: len(told)]
    assert told
