"""A decoding child that is killed, crashes or is not wanted any more costs one frame at most, or none."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from komadori.core.errors import DecoderKilledError, MediaError
from komadori.core.progress import Cancelled
from komadori.core.types import JobState
from komadori.media.base import ExtractedFrame, SegmentReport
from komadori.media.extract import extract_segment, plan_segments
from komadori.media.probe import probe_video
from komadori.media.segments import Segment
from komadori.services import ingest, jobs, verify
from tests.support.clips import clip
from tests.support.pipeline import Pipeline, pipeline, sampling

EVERY_SECOND = sampling("every", seconds=1)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path / "home") as made:
        yield made


def send_to_decoders(number: signal.Signals) -> None:
    for child in psutil.Process(os.getpid()).children():
        with suppress(psutil.ZombieProcess):  # of another test
            if "komadori.media.extract_child" in " ".join(child.cmdline()):
                child.send_signal(number)


def disturb(monkeypatch: pytest.MonkeyPatch, before_frame: Callable[[int], None]) -> None:
    """Call this with the decode index before a frame that a child hands over is kept."""

    def disturbed(
        path: Path, facts: Any, index: Any, segment: Segment, out: Path, **how: Any
    ) -> SegmentReport:
        keep = how.pop("on_frame")

        def on_frame(frame: ExtractedFrame) -> None:
            before_frame(frame.decode_index)
            keep(frame)

        return extract_segment(path, facts, index, segment, out, on_frame=on_frame, **how)

    monkeypatch.setattr(ingest, "extract_segment", disturbed)


def test_a_child_that_is_killed_at_once_is_an_error_that_may_pass(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.mp4"))
    (segment,) = plan_segments(index, list(range(120)), facts=facts, max_cost_s=1e9)

    with pytest.raises(DecoderKilledError) as caught:
        extract_segment(
            clip("h264.mp4"),
            facts,
            index,
            segment,
            tmp_path,
            on_frame=lambda _: send_to_decoders(signal.SIGKILL),
        )

    assert caught.value.is_retryable
    assert "was killed from outside" in caught.value.message


def test_a_silent_child_is_ended_soon_when_its_answer_is_not_wanted_any_more(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.mp4"))
    (segment,) = plan_segments(index, list(range(120)), facts=facts, max_cost_s=1e9)
    silent_s: list[float] = []

    def fall_silent(_frame: ExtractedFrame) -> None:
        silent_s.append(time.monotonic())
        send_to_decoders(signal.SIGSTOP)

    def check() -> None:
        if silent_s:
            raise Cancelled

    with pytest.raises(Cancelled):
        extract_segment(
            clip("h264.mp4"), facts, index, segment, tmp_path, on_frame=fall_silent, check_cancelled=check
        )

    assert time.monotonic() - silent_s[-1] < 2


def test_a_frame_that_crashes_the_decoder_is_one_skipped_item(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(decode_index: int) -> None:
        if decode_index == 60:
            raise MediaError("It crashed the decoder.", code="decoder-crash")

    with monkeypatch.context() as patched:
        disturb(patched, crash)
        job = system.add(clip("h264.mp4"), EVERY_SECOND)

    assert (job.state, job.total, job.done, job.skipped, job.failed) == (JobState.DONE, 4, 3, 1, 0)
    [issue] = system.issues(job.id)
    assert (issue.item, issue.reason) == ("frame 60 of h264.mp4", "It crashed the decoder.")

    again = system.add(clip("h264.mp4"), EVERY_SECOND)
    assert (again.done, again.result["n_already_there"]) == (1, 3), "it gets another chance"
    assert [frame.decode_index for frame in system.frames(again)] == [0, 30, 60, 90]


def test_a_child_that_is_killed_amid_a_portion_costs_no_frame(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    def kill_once(decode_index: int) -> None:
        if not killed:
            killed.append(decode_index)
            send_to_decoders(signal.SIGKILL)

    disturb(monkeypatch, kill_once)
    job = system.add(clip("h264.mp4"), EVERY_SECOND)

    assert killed == [0]
    assert (job.state, job.done, job.skipped) == (JobState.DONE, 4, 0)
    assert [frame.decode_index for frame in system.frames(job)] == [0, 30, 60, 90]


def test_a_portion_that_is_cancelled_keeps_the_frames_that_it_has(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.hold()
    job = system.add(clip("h264.mp4"), EVERY_SECOND)
    system.run_waiting(job.id)

    def stop(decode_index: int) -> None:
        if decode_index == 60:
            jobs.cancel(system.ctx, job.id)
            raise Cancelled

    with monkeypatch.context() as patched:
        disturb(patched, stop)
        system.run_waiting(job.id)

    cancelled = system.job(job.id)
    assert (cancelled.state, cancelled.done, cancelled.total) == (JobState.CANCELLED, 2, 4)
    assert [frame.decode_index for frame in system.frames(cancelled)] == [0, 30]
    [child] = system.children(job.id)
    assert child.total == 2, "what was kept gets its vectors"

    jobs.retry(system.ctx, job.id)
    system.run_waiting(job.id)
    done = system.job(job.id)
    assert (done.state, done.done, done.skipped) == (JobState.DONE, 4, 0)
    assert [frame.decode_index for frame in system.frames(done)] == [0, 30, 60, 90]


def test_a_verification_stops_while_its_child_is_silent(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.add(clip("h264.mp4"), EVERY_SECOND)
    system.hold()
    job = verify.request(system.ctx, 1)
    asked: list[str] = []

    def silent(
        *_arguments: Any, check_cancelled: Callable[[], None], **_how: Any
    ) -> Iterator[tuple[int, str]]:
        asked.append("to decode")
        jobs.cancel(system.ctx, job.id)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            check_cancelled()
            time.sleep(0.02)
        yield 0, "it was not told to stop"

    monkeypatch.setattr(verify, "reextract_frames", silent)
    system.run_waiting(job.id)

    assert asked == ["to decode"]
    assert system.job(job.id).state is JobState.CANCELLED
