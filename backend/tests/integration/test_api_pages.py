"""Long lists come in pages that, put together, have every item once, in order."""

from collections.abc import Iterator
from typing import Any

import pytest

from komadori.core.types import ItemOutcome, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories.chunks import Issue
from komadori.db.tables import JobIssueRow
from komadori.services import jobs
from tests.support.app import InlineSystem, inline_system, seed_video


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        for number in range(5):
            seed_video(system.ctx, name=f"{number}.mp4", n_frames=7, project="a" if number % 2 else "default")
        system.client.post("/api/v1/annotation-runs", json={"prompts": ["red", "blue", "white"]})
        yield system


def walk(system: InlineSystem, path: str, limit: int, **query: str) -> list[dict[str, Any]]:
    """All items, page by page; every page but the last is full, and all know the total."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {**query, "limit": str(limit), **({"cursor": cursor} if cursor else {})}
        page = system.client.get(f"/api/v1{path}", params=params).raise_for_status().json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(items)
            return items
        assert len(page["items"]) == limit


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize("path", ["/videos", "/videos/1/frames", "/annotations", "/jobs"])
def test_pages_of_any_size_give_the_same_list(system: InlineSystem, path: str, limit: int) -> None:
    items = walk(system, path, limit)
    assert items == walk(system, path, 1000)
    assert len({item["id"] for item in items}) == len(items) > 4


def test_the_order_is_that_of_presentation_and_newest_first_for_jobs(system: InlineSystem) -> None:
    assert [frame["index"] for frame in walk(system, "/videos/1/frames", 2)] == list(range(7))
    ids = [int(job["id"]) for job in walk(system, "/jobs", 2)]
    assert ids == sorted(ids, reverse=True)


def test_a_project_narrows_a_list(system: InlineSystem) -> None:
    assert [video["name"] for video in walk(system, "/videos", 1, project="a")] == ["1.mp4", "3.mp4"]
    assert walk(system, "/annotations", 5, project="a") == []
    assert {job["kind"] for job in walk(system, "/jobs", 5, project="a")} == {"embed"}


def test_annotations_are_narrowed_by_frame_video_and_status(system: InlineSystem) -> None:
    everything = walk(system, "/annotations", 1000)
    of_frame = [item for item in everything if item["frame_id"] == "1"]
    assert walk(system, "/annotations", 1, frame_id="1") == of_frame
    assert walk(system, "/annotations", 1000, video_id="1", status="proposed")
    assert walk(system, "/annotations", 1000, video_id="1", status="accepted") == []


def test_the_frames_of_one_sampling(system: InlineSystem) -> None:
    assert walk(system, "/videos/1/frames", 2, sampling_id="77") == []


def test_issues_come_in_pages(system: InlineSystem) -> None:
    job_id = jobs.submit(system.ctx, "ingest", 1, {}, []).id
    with system.ctx.sessions.write() as session:
        chunk_rows.add(session, job_id, [chunk_rows.NewChunk("none", Queue.DEFAULT, {}, 5)])
        chunk = chunk_rows.of_job(session, job_id)[0]
        for number in range(5):
            issue = Issue(f"frame {number}", ItemOutcome.SKIPPED, "dark")
            session.add(JobIssueRow(job_id=job_id, chunk_id=chunk.id, **vars_of(issue)))
    found = walk(system, f"/jobs/{job_id}/issues", 2)
    assert [issue["item"] for issue in found] == [f"frame {number}" for number in range(5)]


def vars_of(issue: Issue) -> dict[str, str]:
    return {"item": issue.item, "outcome": issue.outcome, "reason": issue.reason}


@pytest.mark.parametrize("cursor", ["", "x", "A", "-1", "0" * 16, "1 OR 1=1", "%00"])
def test_a_cursor_that_is_none_is_refused(system: InlineSystem, cursor: str) -> None:
    response = system.client.get("/api/v1/videos", params={"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")


@pytest.mark.parametrize("path", ["/videos", "/videos/1/frames", "/annotations", "/jobs", "/jobs/1/issues"])
def test_the_farthest_cursor_gives_a_page(system: InlineSystem, path: str) -> None:
    response = system.client.get(f"/api/v1{path}", params={"cursor": "f" * 15})
    assert response.status_code == 200


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "9" * 30, "1.5", "x"])
def test_a_limit_is_from_1_to_1000(system: InlineSystem, limit: str) -> None:
    assert system.client.get("/api/v1/videos", params={"limit": limit}).status_code == 422
