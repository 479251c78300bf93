"""What a worker's children log reaches the worker's own stderr, which is what a container shows."""

from pathlib import Path

from komadori.core.types import Queue
from tests.support.workers import Installation, installation, wait_until


def test_children_of_both_kinds_of_worker_are_heard(tmp_path: Path) -> None:
    with installation(tmp_path, decode_workers=1) as system:
        system.start(Queue.DEFAULT, Queue.SAM3)
        for queue in (Queue.DEFAULT, Queue.SAM3):
            _wait_for_words(system, queue)


def _wait_for_words(system: Installation, queue: Queue) -> None:
    log = system.settings.home / "logs" / f"{queue}.log"
    wait_until(lambda: f"queue {queue}: " in log.read_text(), 60, f"line of the child for {queue}")
