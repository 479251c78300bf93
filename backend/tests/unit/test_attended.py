"""Whoever waits for a call that blocks looks meanwhile whether to go on."""

import threading
import time

import pytest

from komadori.core.attended import attended
from komadori.core.progress import Cancelled, NoProgress, check_point, stoppable


class Stopping(NoProgress):
    """Asks to stop from the second look on."""

    def __init__(self) -> None:
        self.looks = 0

    def check_cancelled(self) -> None:
        self.looks += 1
        if self.looks > 1:
            raise Cancelled


def test_what_the_work_returns_or_raises_comes_through() -> None:
    def fail() -> None:
        raise KeyError("x")

    assert attended(lambda: 5, NoProgress().check_cancelled) == 5
    with pytest.raises(KeyError, match="x"):
        attended(fail, NoProgress().check_cancelled)


def test_a_time_out_of_the_work_itself_is_an_error_like_any_other() -> None:
    def fail() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        attended(fail, NoProgress().check_cancelled)


def test_work_that_hangs_is_left_behind() -> None:
    is_over = threading.Event()
    began_s = time.monotonic()

    with pytest.raises(Cancelled):
        attended(lambda: is_over.wait(30), Stopping().check_cancelled)

    assert time.monotonic() - began_s < 2
    is_over.set()


def test_a_check_point_asks_the_progress_around_it_and_no_other() -> None:
    check_point()
    with stoppable(Stopping()):
        check_point()
        with pytest.raises(Cancelled):
            check_point()
    check_point()
