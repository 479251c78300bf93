"""What the doctor says of queues and of the broker, with a real broker and real workers in known states."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import redis

from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import workers
from komadori.db.repositories.chunks import NewChunk
from komadori.doctor import broker, queues
from komadori.doctor.report import Check, Result, Status, examine
from komadori.services import jobs
from tests.support.workers import Installation, installation, wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The worker for siglip is ready, that for sam3 has no model, and default has none."""
    home = tmp_path_factory.mktemp("home")
    with installation(home, segmenter="facebook/sam3", offline=True) as running:
        running.start(Queue.SIGLIP, Queue.SAM3)
        expected = {Queue.SIGLIP: WorkerState.READY, Queue.SAM3: WorkerState.WAITING}
        wait_until(lambda: _states(running) == expected, 90, "a ready worker and one that waits")
        yield running


def _states(system: Installation) -> dict[Queue, WorkerState]:
    with system.ctx.sessions.read() as session:
        seen = workers.living(session)
    return {worker.queue: worker.state for worker in seen}


def ask(system: Installation, queue: Queue) -> Result:
    return queues.check_queue(system.settings, queue)


def test_a_worker_takes_the_message_and_answers(system: Installation) -> None:
    result = ask(system, Queue.SIGLIP)

    assert result.status is Status.OK, system.logs()
    assert "answered in" in result.detail
    assert "fake on cpu" in result.detail


def test_a_worker_without_its_model_is_a_warning_with_its_own_words(system: Installation) -> None:
    result = ask(system, Queue.SAM3)

    assert result.status is Status.WARN
    assert "waiting for model" in result.detail
    assert "komadori models pull sam3" in result.detail


def test_a_queue_without_a_worker_fails_where_it_is_needed(system: Installation) -> None:
    needed = ask(system, Queue.DEFAULT)
    elsewhere = queues.check_queue(system.settings, Queue.DEFAULT, is_needed_here=False)

    assert (needed.status, elsewhere.status) == (Status.FAIL, Status.WARN)
    assert "komadori worker default" in needed.remedy


def test_one_of_several_that_cannot_work_is_told(system: Installation) -> None:
    with system.ctx.sessions.write() as session:
        workers.report(session, "another", Queue.SIGLIP, WorkerState.WAITING, "waiting for model: pull it")
    result = ask(system, Queue.SIGLIP)
    with system.ctx.sessions.write() as session:
        workers.forget(session, "another")

    assert result.status is Status.WARN
    assert "answered in" in result.detail
    assert "1 more cannot work yet" in result.detail
    assert "pull it" in result.detail


def test_a_worker_amid_a_chunk_is_busy_and_not_dead(system: Installation) -> None:
    with system.ctx.sessions.write() as session:  # the chunk cannot be claimed meanwhile
        workers.report(session, "another", Queue.DEFAULT, WorkerState.WAITING, "")
        workers.forget(session, "another")
        session.flush()
        system.ctx.queue.wake_for_chunk(Queue.SIGLIP, 4711)
        result = ask(system, Queue.SIGLIP)

    assert result.status is Status.OK, result
    assert "busy with chunk 4711 for" in result.detail


def test_a_worker_that_reports_but_hears_nothing_fails(
    system: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "_PATIENCE_S", 0.0)
    with held_up(system):
        result = ask(system, Queue.SIGLIP)

    assert result.status is Status.FAIL
    assert "answered nothing over the broker" in result.detail


def test_a_worker_that_was_only_held_up_is_slow_and_not_dead(
    system: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "_ANSWER_WITHIN_S", 0.5)
    with held_up(system):
        end = threading.Timer(4, resume, (system,))  # after more than one round of asking
        end.start()
        result = ask(system, Queue.SIGLIP)
        end.join()

    assert result.status is Status.WARN, result
    assert "slow to answer" in result.detail


@contextmanager
def held_up(system: Installation) -> Iterator[None]:
    """The worker for siglip stands still, as on a machine that is out of breath."""
    (parent,) = (process.pid for process in system._processes[Queue.SIGLIP])
    os.kill(parent, signal.SIGSTOP)
    try:
        yield
    finally:
        resume(system)


def resume(system: Installation) -> None:
    """Let the worker go on."""
    (parent,) = (process.pid for process in system._processes[Queue.SIGLIP])
    os.kill(parent, signal.SIGCONT)


def test_a_broker_that_answers_nothing_holds_nobody_up(system: Installation) -> None:
    checks = [
        Check("queue-siglip", "Running", lambda settings: queues.check_queue(settings, Queue.SIGLIP), 30),
        Check("broker", "Running", broker.check_broker),
        Check("broker-storage", "Running", broker.check_storage),
        Check("clock", "Running", broker.check_clock),
    ]
    system.pause_broker()
    try:
        findings = examine(system.settings, checks)
    finally:
        system.resume_broker()

    assert [finding.status for finding in findings] == [Status.FAIL] * 4
    assert {finding.result.detail.partition(":")[0] for finding in findings} == {"The broker does not answer"}


def test_without_a_database_nothing_waits(system: Installation) -> None:
    elsewhere = system.settings.model_copy(update={"home": system.settings.home / "elsewhere"})

    assert queues.check_backlog(elsewhere).status is Status.SKIP


def test_the_broker_answers(system: Installation) -> None:
    result = broker.check_broker(system.settings)

    assert result.status is Status.OK
    assert f"embedded, on {system.settings.broker_socket}" in result.detail


def test_the_broker_keeps_what_it_is_given(system: Installation) -> None:
    result = broker.check_storage(system.settings)

    assert result.status is Status.OK
    assert "append-only file on" in result.detail
    with configured(system, "appendonly", "no"):
        assert broker.check_storage(system.settings).status is Status.WARN
    with configured(system, "maxmemory", "100"):
        full = broker.check_storage(system.settings)
    assert full.status is Status.FAIL
    assert "maxmemory" in full.remedy


@contextmanager
def configured(system: Installation, name: str, value: str) -> Iterator[None]:
    """The broker with another setting for a while."""
    with closing(redis.Redis(unix_socket_path=str(system.settings.broker_socket))) as client:
        before = client.config_get(name)[name] or ""
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, before)


def test_the_clocks_agree(system: Installation) -> None:
    assert broker.check_clock(system.settings).status is Status.OK


def test_chunks_that_were_given_up_are_a_warning(system: Installation) -> None:
    assert queues.check_backlog(system.settings) == Result(Status.OK, "nothing waits")
    jobs.submit(system.ctx, "verify", 1, {}, [NewChunk("verify", Queue.DEFAULT, {}, 1)])
    broken = jobs.submit(system.ctx, "embed", 1, {}, [NewChunk("embed", Queue.SIGLIP, {}, 1)])
    assert system.wait(broken.id).state is JobState.FAILED

    result = queues.check_backlog(system.settings)

    assert result.status is Status.WARN
    assert "default 1 (oldest" in result.detail
    assert "1 chunks of 1 jobs were given up" in result.detail
    assert "komadori jobs retry" in result.remedy
