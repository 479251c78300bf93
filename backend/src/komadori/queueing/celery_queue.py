"""Hints as Celery messages. The settings are explained in ``docs/adr/``: state lives in the database.

Results are not stored, a message is acknowledged late but never redelivered on the loss
of a child (the lease does that, with a count), and sending gives up after seconds
instead of waiting for a broker that is down.
"""

import logging
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

    def wake_for_query(self, query_id: int) -> bool:
        """Say that a search query waits."""
        return self._send(Queue.SIGLIP, RUN_QUERY, (query_id,), Priority.INTERACTIVE)

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


def create(broker_url: str) -> JobQueue:
    """A queue over the broker at that URL; when that is down, a hint is given up after the second try."""
    app = create_app(broker_url)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **_TRY_TWICE}
    return CeleryQueue(app)
