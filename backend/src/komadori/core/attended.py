"""Calls that block for long, with somebody who looks meanwhile whether to go on."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.2


def attended(work: Callable[[], T], check_cancelled: Callable[[], object]) -> T:
    """What the work returns, or what it or ``check_cancelled`` raises, whichever comes first.

    The work runs in a thread. One that hangs when it is no longer wanted is left behind and ends by
    itself, so it must do no harm by then, and look whether it is to stop once it gets on.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (it is raised in the thread of the caller)
            future.set_exception(error)

    threading.Thread(target=run, name="attended", daemon=True).start()
    while True:
        try:
            return future.result(_LOOK_EVERY_S)
        except TimeoutError:
            if future.done():
                raise
            check_cancelled()
