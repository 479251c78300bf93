"""A real worker answers clicks amid a long annotation job, between two frames."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from komadori.core.types import JobState, Queue
from komadori.db.repositories import queries
from komadori.services import annotate, clicks
from komadori.services.clicks import Point
from tests.support import gated_segmenter
from tests.support.app import seed_video
from tests.support.workers import installation, wait_until

N_FRAMES = 4
ON_THE_BLOCK = [Point(10, 20, is_positive=True)]


def test_who_clicks_waits_for_one_frame_and_not_for_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", gated_segmenter.install(tmp_path / "packages"))
    gate = tmp_path / "gate"
    gate.mkdir()
    with installation(tmp_path / "home", segmenter=f"gated:{gate}", query_timeout_s=30) as system:
        _, [frame_id, *_] = seed_video(system.ctx, n_frames=N_FRAMES)
        system.start(Queue.SAM3)
        run = annotate.request(system.ctx, ["red"], annotate.Targets())
        wait_until((gate / "begun-1").exists, 60, "the first frame")

        def is_asked() -> bool:
            with system.ctx.sessions.read() as session:
                return queries.is_any_waiting(session, Queue.SAM3)

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(clicks.segment, system.ctx, frame_id, ON_THE_BLOCK)
            wait_until(is_asked, 30, "clicks")
            (gate / "go-1").touch()
            amid = answer.result(60)
        assert not (gate / "begun-3").exists(), "the second frame is held"
        assert system.job(run.id).state is JobState.RUNNING
        for n in range(2, N_FRAMES + 1):
            (gate / f"go-{n}").touch()
        assert system.wait(run.id).done == N_FRAMES
        assert amid.refinement.mask.area > 0
        assert clicks.segment(system.ctx, frame_id, ON_THE_BLOCK) == amid, "an idle worker hears of it, too"
