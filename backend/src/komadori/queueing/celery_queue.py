"""Hints as Celery messages. The settings are explained in ``docs/adr/``: state lives in the database.

Results are not stored, a message is acknowledged late but never redelivered on the loss
of a child (the lease does that, with a count), and sending gives up after seconds
instead of waiting for a broker that is down.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from komadori.core.types import Priority, Queue
from komadori.queueing.base import JobQueue

RUN_CHUNK = "run_chunk"
RUN_QUERY = "run_query"
NOOP = "noop"

_PRIORITIES = {Priority.INTERACTIVE: 0, Priority.BULK: 1}
"""Of the Redis transport: 0 goes first."""

_HINT_LIFETIME_S = 600

_NOOP_LIFETIME_S = 30
"""A no-op that nobody took by then is thrown away unread, and its answer is forgotten."""

_TRY_TWICE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""Otherwise kombu tries for six seconds, for every single hint."""

_log = logging.getLogger(__name__)


def task_name(queue: Queue, task: str) -> str:
    """The name of a task of a queue; it routes to the queue."""
    return f"komadori.{queue.value}.{task}"


def create_app(broker_url: str) -> Celery:
    """A Celery application with the queues and the settings, but without tasks."""
    app = Celery("komadori", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_queues=[_kombu_queue(queue.value) for queue in Queue],
        task_default_queue=Queue.DEFAULT.value,
        task_create_missing_queues=False,
        task_routes={f"komadori.{queue.value}.*": {"queue": queue.value} for queue in Queue},
        task_publish_retry=False,
        worker_prefetch_multiplier=0,  # a message whose acknowledgement timed out would count for ever
        worker_disable_prefetch=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 6 * 3600,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "queue_order_strategy": "priority",
            "priority_steps": sorted(_PRIORITIES.values()),
            "sep": ":",
        },
    )
    return app


def _kombu_queue(name: str) -> Any:
    create: Any = KombuQueue
    return create(name, routing_key=name)


class CeleryQueue:
    """Sends hints; never blocks for more than a few seconds."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        """Say that a chunk waits; False when the broker could not be reached."""
        return self._send(queue, RUN_CHUNK, (chunk_id,), priority)

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        """Say that a query waits."""
        return self._send(queue, RUN_QUERY, (query_id,), Priority.INTERACTIVE)

    def is_reachable(self) -> bool:
        """Whether the broker answers within a few seconds."""
        try:
            with self._app.connection_for_write() as connection:
                connection.default_channel.client.ping()
        except (OperationalError, RedisError, OSError) as error:
            _log.warning("the broker does not answer: %s", error)
            return False
        return True

    def _send(self, queue: Queue, task: str, arguments: tuple[int, ...], priority: Priority) -> bool:
        options: dict[str, Any] = {
            "priority": _PRIORITIES[priority],
            "expires": _HINT_LIFETIME_S,
            "retry": False,
        }
        try:
            self._app.send_task(task_name(queue, task), arguments, queue=queue.value, **options)
        except (OperationalError, RedisError, OSError) as error:
            _log.warning("no hint could be sent to queue %s: %s", queue, error)
            return False
        return True


@dataclass(frozen=True, slots=True)
class RunningTask:
    """What a worker does at this moment; ``chunk_id`` is None unless it works on a chunk."""

    name: str
    chunk_id: int | None
    started_s: float | None


class Roundtrip:
    """Sends a message that does nothing through a queue, and waits to hear who took it.

    The worker answers into a list of its own in the broker: results are not stored anywhere.

    Raises:
        kombu.exceptions.OperationalError, redis.exceptions.RedisError: The broker is away.
    """

    def __init__(self, broker_url: str) -> None:
        self._app = _hasty_app(broker_url)

    def send(self, queue: Queue) -> str:
        """Send it ahead of all bulk work; the answer comes under the key returned."""
        key = f"komadori.noop.{uuid.uuid4().hex}"
        options: dict[str, Any] = {"priority": 0, "expires": _NOOP_LIFETIME_S, "retry": False}
        self._app.send_task(task_name(queue, NOOP), (key,), queue=queue.value, **options)
        return key

    def wait(self, key: str, timeout_s: float) -> str | None:
        """Who took it, or None when nobody has within the timeout, which is less than 10 s."""
        with self._app.connection_for_read() as connection:
            taken = connection.default_channel.client.blpop(key, timeout=timeout_s)
        return None if taken is None else taken[1].decode()

    def running(self, queue: Queue, timeout_s: float = 1.5) -> Mapping[str, Sequence[RunningTask]]:
        """The workers of a queue that answer within the timeout, busy or not, and what they do."""
        nodes = self._app.control.inspect(timeout=timeout_s).active() or {}
        return {
            node: [_running_task(task) for task in tasks]
            for node, tasks in nodes.items()
            if node.startswith(f"{queue.value}.")
        }


def count_waiting(broker_url: str) -> dict[Queue, int] | None:
    """How many messages wait in the broker for each queue; None when it does not answer."""
    app = _hasty_app(broker_url)
    lists = {
        queue: [queue.value, *(f"{queue.value}:{step}" for step in sorted(_PRIORITIES.values()) if step)]
        for queue in Queue
    }
    try:
        with app.connection_for_read() as connection:
            client = connection.default_channel.client
            return {queue: sum(client.llen(name) for name in names) for queue, names in lists.items()}
    except (OperationalError, RedisError, OSError):
        return None


def answer_noop(app: Celery, key: str, words: str) -> None:
    """What a worker does with a no-op: say that it took it."""
    with app.connection_for_write() as connection:
        connection.default_channel.client.pipeline().rpush(key, words).expire(key, _NOOP_LIFETIME_S).execute()


def create(broker_url: str) -> JobQueue:
    """A queue over the broker at that URL; when that is down, a hint is given up after the second try."""
    return CeleryQueue(_hasty_app(broker_url))


def _hasty_app(broker_url: str) -> Celery:
    app = create_app(broker_url)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **_TRY_TWICE}
    return app


def _running_task(task: Mapping[str, Any]) -> RunningTask:
    """From what the remote control command ``active`` of Celery tells about a task."""
    name = str(task["name"]).rpartition(".")[2]
    arguments = task.get("args") or [None]
    return RunningTask(name, arguments[0] if name == RUN_CHUNK else None, task.get("time_start"))
