"""The frames of a project as columns, and their thumbnails in packs."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text, update

from komadori.core.types import AnnotationSource, AnnotationStatus
from komadori.db.repositories import annotations, browsing, projects, videos
from komadori.db.repositories.annotations import NewAnnotation
from komadori.db.repositories.browsing import FrameFilter
from komadori.db.tables import FrameRow, VideoRow
from tests.support.app import InlineSystem, inline_system, seed_video
from tests.support.postgres import Server

COLUMNS = ("ids", "video_ids", "indices", "pts_s", "n_accepted", "n_proposed")
N_FRAMES = 4


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield {"database_url": server.url(name)}
    server.drop(name)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, options: dict[str, str]) -> Iterator[InlineSystem]:
    """Two videos of the default project (frames 1 to 8), one of project "b" (9 to 12), and annotations."""
    with inline_system(tmp_path_factory.mktemp("home"), **options) as system:
        for name, project in (("0.mp4", "default"), ("1.mp4", "default"), ("2.mp4", "b")):
            seed_video(system.ctx, name=name, project=project, n_frames=N_FRAMES)
        annotate(system, 1, "cat", "accepted")
        annotate(system, 1, "cat", "proposed")
        annotate(system, 1, "dog", "proposed")
        annotate(system, 2, "cat", "rejected")
        annotate(system, 6, "dog", "accepted")
        annotate(system, 7, "cat", "proposed")
        annotate(system, 9, "cat", "proposed")
        yield system


def annotate(system: InlineSystem, frame_id: int, class_name: str, status: str) -> None:
    with system.ctx.sessions.write() as session:
        project_id = videos.get(session, videos.get_frame(session, frame_id).video_id).project_id
        class_id = projects.class_ids(session, project_id, [class_name])[class_name]
        new = NewAnnotation(
            frame_id=frame_id,
            class_id=class_id,
            bbox_xyxy=(1, 1, 9, 9),
            mask=None,
            confidence=0.5,
            source=AnnotationSource.MODEL,
            status=AnnotationStatus(status),
            run_id=None,
            prompt=class_name,
        )
        annotations.add(session, new)


def table(system: InlineSystem, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = system.client.get("/api/v1/frames", params=query).raise_for_status().json()
    return found


def ids(system: InlineSystem, **query: str) -> list[str]:
    found = table(system, **query)
    assert found["total"] == len(found["ids"])
    ids: list[str] = found["ids"]
    return ids


def test_every_frame_is_in_each_column(system: InlineSystem) -> None:
    found = table(system)
    assert found["ids"] == [str(number) for number in range(1, 13)]
    assert found["video_ids"] == ["1"] * 4 + ["2"] * 4 + ["3"] * 4
    assert found["indices"] == [0, 1, 2, 3] * 3
    assert found["pts_s"] == [0.0, 1.0, 2.0, 3.0] * 3
    assert found["n_accepted"] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert found["n_proposed"] == [2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]
    assert found["mean_colours"] == "808080102031102032102033" * 3
    assert (found["total"], found["next_cursor"]) == (12, None)


@pytest.mark.parametrize("limit", [1, 3, 4, 8, 9])
def test_pages_of_any_size_give_the_same_table(system: InlineSystem, limit: int) -> None:
    query, pages = {"project": "default", "limit": str(limit)}, []
    while True:
        pages.append(table(system, **query))
        if pages[-1]["next_cursor"] is None:
            break
        assert len(pages[-1]["ids"]) == limit
        query["cursor"] = pages[-1]["next_cursor"]
    whole = table(system, project="default")
    for column in COLUMNS:
        assert list(itertools.chain(*(page[column] for page in pages))) == whole[column]
    assert {page["total"] for page in pages} == {8}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"project": "b"}, "9 10 11 12"),
        ({"video_id": "2"}, "5 6 7 8"),
        ({"project": "b", "video_id": "2"}, ""),
        ({"class_name": "cat"}, "1 2 7 9"),
        ({"class_name": "cat", "project": "default"}, "1 2 7"),
        ({"status": "accepted"}, "1 6"),
        ({"status": "rejected", "class_name": "dog"}, ""),
        ({"status": "accepted", "class_name": "dog"}, "6"),
        ({"only": "undecided"}, "1 7 9"),
        ({"only": "undecided", "class_name": "dog"}, "1"),
        ({"only": "undecided", "status": "accepted"}, "1"),
        ({"only": "undecided", "status": "accepted", "class_name": "dog"}, ""),
        ({"class_name": "no such class"}, ""),
        ({"video_id": "77"}, ""),
    ],
)
def test_filters_narrow_the_choice(system: InlineSystem, query: dict[str, str], expected: str) -> None:
    assert ids(system, **query) == expected.split()


def test_the_counts_of_a_narrowed_choice_are_of_all_annotations(system: InlineSystem) -> None:
    found = table(system, class_name="dog", status="proposed")
    assert (found["n_accepted"], found["n_proposed"]) == ([1], [2])


def test_the_order_is_that_of_the_video_and_not_of_the_ids(system: InlineSystem) -> None:
    with system.ctx.sessions.write() as session:
        session.execute(update(FrameRow).where(FrameRow.id == 9).values(decode_index=100))
    try:
        assert ids(system, project="b") == ["10", "11", "12", "9"]
    finally:
        with system.ctx.sessions.write() as session:
            session.execute(update(FrameRow).where(FrameRow.id == 9).values(decode_index=0))


def test_a_video_that_is_being_deleted_is_not_there(system: InlineSystem) -> None:
    with system.ctx.sessions.write() as session:
        session.execute(update(VideoRow).where(VideoRow.id == 3).values(state="deleting"))
    try:
        assert ids(system) == [str(number) for number in range(1, 9)]
        assert jpegs(system.client.get("/api/v1/thumbnails?ids=9").content) == [b""]
    finally:
        with system.ctx.sessions.write() as session:
            session.execute(update(VideoRow).where(VideoRow.id == 3).values(state="ready"))


@pytest.mark.parametrize(
    "which", [FrameFilter(), FrameFilter(1, is_undecided=True), FrameFilter(1, None, "cat")]
)
def test_a_page_is_read_along_an_index_and_never_sorted(system: InlineSystem, which: FrameFilter) -> None:
    statement = browsing._frames(which, (1, 0, 2)).limit(5)
    with system.ctx.sessions.read() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("PostgreSQL chooses by its statistics")
        sql = str(statement.compile(session.connection(), compile_kwargs={"literal_binds": True}))
        plan = " ".join(row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    assert "uq_frames_video_id_stream_index_decode_index" in plan or "sqlite_autoindex_frames" in plan
    assert "SORT" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "query", [{"cursor": "1"}, {"cursor": "1-0-g"}, {"limit": "0"}, {"limit": "50001"}, {"only": "all"}]
)
def test_what_makes_no_sense_is_refused(system: InlineSystem, query: dict[str, str]) -> None:
    response = system.client.get("/api/v1/frames", params=query)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")


def test_an_unknown_project_is_not_found(system: InlineSystem) -> None:
    assert system.client.get("/api/v1/frames?project=none").status_code == 404


def test_the_farthest_cursor_gives_an_empty_page(system: InlineSystem) -> None:
    farthest = "-".join(["f" * 15] * 3)
    assert table(system, cursor=farthest)["ids"] == []


def jpegs(pack: bytes) -> list[bytes]:
    """The parts of a pack, read as a client would."""
    n = int(np.frombuffer(pack, "<u4", 1)[0])
    ends = np.cumsum(np.frombuffer(pack, "<u4", n, offset=4)) + 4 * (n + 1)
    starts = [4 * (n + 1), *ends[:-1]]
    assert len(pack) == (ends[-1] if n else 4)
    return [pack[start:end] for start, end in zip(starts, ends, strict=True)]


def test_a_pack_has_the_thumbnails_in_the_order_asked_for(system: InlineSystem) -> None:
    wanted = [7, 2, 9, 2]
    response = system.client.get("/api/v1/thumbnails", params={"ids": ",".join(map(str, wanted))})
    singles = [system.client.get(f"/api/v1/frames/{frame_id}/thumbnail").content for frame_id in wanted]
    assert jpegs(response.content) == singles
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_what_is_not_there_is_empty_and_may_come_later(system: InlineSystem) -> None:
    with system.ctx.sessions.read() as session:
        key = videos.get_frame(session, 4).thumbnail_key
    kept = system.ctx.blobs.get(key)
    system.ctx.blobs.delete(key)
    try:
        response = system.client.get("/api/v1/thumbnails?ids=4,3,999")
    finally:
        system.ctx.blobs.put(key, kept)
    assert [len(part) > 0 for part in jpegs(response.content)] == [False, True, False]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("ids", ["", "0", "1,", "1,,2", "a", "1 2", "-1", ",".join(["1"] * 65)])
def test_a_pack_is_of_1_to_64_ids(system: InlineSystem, ids: str) -> None:
    assert system.client.get("/api/v1/thumbnails", params={"ids": ids}).status_code == 422
