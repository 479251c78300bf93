"""Clicks are answered with a mask by way of a worker, and leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from komadori.api.app import create_app
from komadori.core import masks
from komadori.core.masks import Rle
from komadori.db.tables import QueryRow
from komadori.ml.segmenters.fake import FakeSegmenter
from tests.support.app import (
    NEVER_S,
    InlineSystem,
    inline_context,
    inline_system,
    live_server,
    seed_video,
)
from tests.support.workers import wait_until

BLOCK = [4, 8, 20, 40]
"""Of colour, in each seeded frame of 64 x 48 pixels."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        seed_video(system.ctx)
        yield system


def point(x: float, y: float, *, is_positive: bool = True) -> dict[str, Any]:
    return {"x": x, "y": y, "is_positive": is_positive}


def click(system: InlineSystem, frame_id: int = 1, **clicks: Any) -> Any:
    return system.client.post(f"/api/v1/frames/{frame_id}/segmentations", json=clicks)


def refused(system: InlineSystem, frame_id: int = 1, **clicks: Any) -> tuple[int, str]:
    answer = click(system, frame_id, **clicks)
    assert answer.json()["hint"]
    return answer.status_code, answer.json()["code"]


def test_a_point_gives_the_mask_of_what_it_is_on(system: InlineSystem) -> None:
    found = click(system, points=[point(10, 20)]).raise_for_status().json()

    assert found["bbox_xyxy"] == pytest.approx(BLOCK, abs=1)  # a JPEG has soft edges
    mask = masks.decode(Rle.from_coco(found["segmentation"]))
    assert mask.shape == (48, 64)
    assert mask.sum() == pytest.approx(16 * 32, rel=0.1)
    assert (found["confidence"], found["model_id"], found["model_revision"]) == (1.0, "fake", "1")


def test_a_box_narrows_what_a_point_means(system: InlineSystem) -> None:
    found = click(system, points=[point(10, 20)], box_xyxy=[0, 0, 64, 20]).raise_for_status().json()

    assert found["bbox_xyxy"] == pytest.approx([4, 8, 20, 20], abs=1)


def test_the_mask_of_an_annotation_is_what_clicks_begin_with(system: InlineSystem) -> None:
    mask = np.zeros((48, 64), np.bool_)
    mask[2:6, 40:60] = True  # on the white beside the block
    drawn = {"frame_id": "1", "class_name": "thing", "segmentation": masks.encode(mask).to_coco()}
    annotation = system.client.post("/api/v1/annotations", json=drawn).raise_for_status().json()

    refined = click(system, points=[point(10, 20)], annotation_id=annotation["id"]).raise_for_status().json()

    assert refined["bbox_xyxy"] == pytest.approx([4, 2, 60, 40], abs=1), "both the mask and the block"
    again = system.client.get(f"/api/v1/annotations/{annotation['id']}").json()
    assert (again["revision"], again["segmentation"]) == (1, annotation["segmentation"]), "is as it was"


def test_an_annotation_without_a_mask_gives_its_box(system: InlineSystem) -> None:
    drawn = {"frame_id": "1", "class_name": "thing", "bbox_xyxy": BLOCK}
    annotation = system.client.post("/api/v1/annotations", json=drawn).raise_for_status().json()

    assert click(system, annotation_id=annotation["id"]).json()["bbox_xyxy"] == pytest.approx(BLOCK, abs=1)
    assert refused(system, 2, annotation_id=annotation["id"]) == (422, "other-frame")


@pytest.mark.parametrize(
    ("clicks", "code"),
    [
        ({}, "no-positive-point"),
        ({"points": [point(1, 1, is_positive=False)]}, "no-positive-point"),
        ({"points": [point(65, 1)]}, "point-outside-frame"),
        ({"points": [point(1, -0.5)]}, "point-outside-frame"),
        ({"box_xyxy": [70, 2, 80, 8]}, "invalid-box"),
        ({"box_xyxy": [9, 2, 3, 8]}, "invalid-box"),
        ({"points": [point(1, 1)] * 65}, "invalid-request"),
        ({"points": [{"x": 1}]}, "invalid-request"),
    ],
)
def test_clicks_that_mean_nothing_in_the_frame_are_refused(
    system: InlineSystem, clicks: dict[str, Any], code: str
) -> None:
    assert refused(system, **clicks) == (422, code)


def test_what_does_not_exist_is_not_found(system: InlineSystem) -> None:
    assert refused(system, 99, points=[point(1, 1)])[0] == 404
    assert refused(system, points=[point(1, 1)], annotation_id="99")[0] == 404


def test_no_row_is_left(system: InlineSystem) -> None:
    click(system, points=[point(10, 20)]).raise_for_status()

    with system.ctx.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(QueryRow)) == 0


def test_without_a_worker_clicks_say_so_and_wait_for_nobody(tmp_path: Path) -> None:
    with inline_system(tmp_path, query_timeout_s=0.05) as system:
        seed_video(system.ctx, n_frames=1)
        system.queue.run_query = lambda _query_id: None
        assert refused(system, points=[point(10, 20)]) == (503, "no-segmenting-worker")
        with system.ctx.sessions.read() as session:
            assert session.scalar(select(func.count()).select_from(QueryRow)) == 0


def test_clicks_of_a_client_that_has_left_are_forgotten(tmp_path: Path) -> None:
    options, ctx, queue = inline_context(tmp_path, query_timeout_s=600.0)
    seed_video(ctx, n_frames=1)
    queue.run_query = lambda _query_id: None

    def n_waiting() -> int:
        with ctx.sessions.read() as session:
            return session.scalar(select(func.count()).select_from(QueryRow)) or 0

    with live_server(create_app(options, ctx, reap_every_s=NEVER_S)) as url, httpx.Client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(
                f"{url}/api/v1/frames/1/segmentations",
                json={"points": [point(10, 20)]},
                timeout=httpx.Timeout(30, read=0.5),
            )
        assert n_waiting() <= 1
        wait_until(lambda: n_waiting() == 0, 30, "end of the query")


def test_a_segmenter_of_concepts_alone_says_so(system: InlineSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(FakeSegmenter, "refine")

    assert refused(system, points=[point(10, 20)]) == (503, "no-click-model")
