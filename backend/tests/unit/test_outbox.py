"""Hints through the outbox: who sends one never waits for long, and never again while the broker is away."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from komadori.core.types import Priority, Queue
from komadori.queueing import outbox
from komadori.queueing.outbox import Outbox

FOREVER_S = 60.0


@dataclass(slots=True)
class Broker:
    """Takes hints when ``lets_through`` is set, and until then makes everybody wait, or says no."""

    lets_through: threading.Event = field(default_factory=threading.Event)
    is_dead: bool = False
    taken: list[int] = field(default_factory=list)
    n_calls: int = 0

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        return self._take(chunk_id)

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        return self._take(query_id)

    def is_reachable(self) -> bool:
        return self._take(0)

    def _take(self, number: int) -> bool:
        self.n_calls += 1
        if self.is_dead or not self.lets_through.wait(FOREVER_S):
            return False
        self.taken.append(number)
        return True


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.lets_through.set()


@pytest.fixture
def sender(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    monkeypatch.setattr(outbox, "_ASK_AGAIN_S", 0.01)
    made = Outbox(broker, patience_s=0.2)
    yield made
    made.close()


def wait_until_reachable(sender: Outbox) -> None:
    deadline = time.monotonic() + 20
    while not sender.is_reachable():
        assert time.monotonic() < deadline, "it never came back"
        time.sleep(0.01)


def test_hints_reach_a_broker_that_answers(broker: Broker, sender: Outbox) -> None:
    broker.lets_through.set()
    assert sender.wake_for_chunk(Queue.DEFAULT, 1)
    assert sender.wake_for_query(Queue.SIGLIP, 2)
    assert broker.taken == [1, 2]


def test_a_paused_broker_is_waited_for_once_and_only_for_a_moment(broker: Broker, sender: Outbox) -> None:
    started_s = time.monotonic()
    assert not any(sender.wake_for_chunk(Queue.DEFAULT, number) for number in range(100))
    assert time.monotonic() - started_s < FOREVER_S / 10
    assert broker.n_calls == 1


def test_a_dead_broker_is_asked_again_by_the_thread_and_not_by_who_sends(
    broker: Broker, sender: Outbox
) -> None:
    broker.is_dead = True
    assert not sender.wake_for_chunk(Queue.DEFAULT, 1)
    broker.is_dead = False
    broker.lets_through.set()
    wait_until_reachable(sender)
    assert 1 not in broker.taken
    assert sender.wake_for_chunk(Queue.DEFAULT, 2)


def test_what_a_paused_broker_had_not_begun_to_take_is_not_sent_later(broker: Broker, sender: Outbox) -> None:
    """The reaper announces it again, perhaps by then in another order."""
    threads = [
        threading.Thread(target=sender.wake_for_query, args=(Queue.SIGLIP, number)) for number in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broker.lets_through.set()
    wait_until_reachable(sender)
    assert len({1, 2} & set(broker.taken)) == 1


def test_a_fault_is_told_to_who_asked_and_ends_nothing(
    broker: Broker, sender: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.lets_through.set()

    class Odd(Broker):
        def wake_for_query(self, queue: Queue, query_id: int) -> bool:
            raise ZeroDivisionError

    monkeypatch.setattr(sender, "_queue", Odd())
    with pytest.raises(ZeroDivisionError):
        sender.wake_for_query(Queue.SIGLIP, 1)
    monkeypatch.setattr(sender, "_queue", broker)
    assert sender.wake_for_query(Queue.SIGLIP, 2)
