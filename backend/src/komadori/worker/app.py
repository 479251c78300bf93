"""Runs one Celery worker of one queue."""

import os

from celery import Celery

from komadori.bootstrap import configure_logging, default_worker_processes
from komadori.core.types import Queue
from komadori.queueing.celery_queue import create_app
from komadori.settings import Settings
from komadori.worker import heartbeat, tasks, temporary
from komadori.worker.starting import EndStarting
from komadori.worker.waiting import wait_for_all

_COLD_START_S = 1800.0
"""How long a child may take to load its model before the parent takes it for stuck."""


def build(queue: Queue, settings: Settings) -> Celery:
    """A worker application.

    The workers with a model have one child, started afresh and not forked: CUDA and the
    threads of torch do not survive a fork, and a child that is killed leaves the worker
    alive to start another.
    """
    app = create_app(settings.effective_broker_url)
    app.conf.update(
        include=[tasks.__name__],
        worker_pool="prefork",
        worker_redirect_stdouts=False,  # else what the children log to stderr is lost
        worker_proc_alive_timeout=_COLD_START_S,
        worker_concurrency=default_worker_processes(settings) if queue == Queue.DEFAULT else 1,
        worker_pool_start_method="fork" if queue == Queue.DEFAULT else "spawn",
        task_time_limit=settings.chunk_time_limit_s,
    )
    app.steps["worker"].add(EndStarting)
    if settings.heartbeat is not None:
        heartbeat.install(app, settings.heartbeat)
    return app


def run(queue: Queue, settings: Settings) -> None:
    """Run a worker in this process until it is told to stop; a running chunk is finished first.

    It takes no work before the database is prepared and the model of its queue is here.
    Threads of a model that wait for each other sleep instead of spinning: three workers share
    the cores, and spinning takes them from the thread that is waited for. On two busy cores
    the SAM 3 demo model took 1.1 s for a frame with spinning threads and 0.03 s without.
    """
    configure_logging(settings.log_level)
    # Written down: the socket may lie in the folder of temporary files, which is another from here on.
    settings = settings.model_copy(update={"broker_url": settings.effective_broker_url})
    os.environ.update(settings.environment())
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    temporary.use_own_folder()
    wait_for_all(queue, settings)
    build(queue, settings).worker_main(
        [
            "worker",
            f"--queues={queue.value}",
            f"--hostname={tasks.node_name(queue, os.getpid())}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
        ]
    )
