"""Rates and the time left."""

import pytest

from komadori.core.errors import KomadoriError
from komadori.core.progress import Cancelled, NoProgress, Progress, rate_per_s, seconds_left


def test_rate_is_items_by_seconds() -> None:
    assert rate_per_s(done=30, elapsed_s=4.0) == 7.5


@pytest.mark.parametrize(("done", "elapsed_s"), [(0, 4.0), (3, 0.0), (0, 0.0), (3, -1.0), (-1, 4.0)])
def test_rate_is_unknown_before_anything_can_be_said(done: int, elapsed_s: float) -> None:
    assert rate_per_s(done, elapsed_s) is None


def test_time_left_is_the_rest_at_the_rate_so_far() -> None:
    assert seconds_left(done=25, total=100, elapsed_s=10.0) == 30.0


@pytest.mark.parametrize("done", [100, 101])
def test_no_time_is_left_at_the_end_and_after_it(done: int) -> None:
    assert seconds_left(done, total=100, elapsed_s=10.0) == 0.0


def test_time_left_is_unknown_before_the_first_item() -> None:
    assert seconds_left(done=0, total=100, elapsed_s=10.0) is None


def test_no_progress_takes_every_call() -> None:
    progress: Progress = NoProgress()

    progress.advance()
    progress.advance(5)
    progress.check_cancelled()


def test_cancelling_is_no_error_of_ours() -> None:
    assert not issubclass(Cancelled, KomadoriError)
