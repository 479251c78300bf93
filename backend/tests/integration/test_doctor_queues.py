"""What the doctor says of queues, with a real broker and real workers in known states."""

import time
from collections.abc import Iterator

import pytest

from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.doctor import queues
from komadori.doctor.report import Status
from tests.support.workers import Installation, installation, wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose queues siglip and sam3 have a worker, and default has none."""
    with installation(tmp_path_factory.mktemp("home")) as running:
        running.start(Queue.SIGLIP, Queue.SAM3)
        wait_until(lambda: len(_ready(running)) == 2, 90, "two ready workers")
        yield running


def _ready(system: Installation) -> set[Queue]:
    with system.ctx.sessions.read() as session:
        seen = workers.seen_since(session, time.time() - 10)
    return {worker.queue for worker in seen if worker.state == WorkerState.READY}


def test_a_worker_takes_the_message_and_answers(system: Installation) -> None:
    result = queues.check_queue(system.settings, Queue.SIGLIP)

    assert result.status is Status.OK, system.logs()
    assert "answered in" in result.detail
    assert "fake on cpu" in result.detail


def test_a_queue_without_a_worker_fails_where_it_is_needed(system: Installation) -> None:
    needed = queues.check_queue(system.settings, Queue.DEFAULT)
    elsewhere = queues.check_queue(system.settings, Queue.DEFAULT, is_needed_here=False)

    assert (needed.status, elsewhere.status) == (Status.FAIL, Status.WARN)
    assert "komadori worker default" in needed.remedy
