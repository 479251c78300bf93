"""A video becomes a dataset over HTTP: frames, search, proposals, decisions, export and verification."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from komadori.core import masks
from tests.support.app import InlineSystem, inline_system, jpeg_of, picture, seed_video
from tests.support.clips import clip


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        yield system


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    """Six frames with a red, a green or a blue block in turn."""
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        seed_video(system.ctx)
        yield system


def post(system: InlineSystem, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = system.client.post(f"/api/v1{path}", json=body).raise_for_status().json()
    return answer


def get(system: InlineSystem, path: str, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = system.client.get(f"/api/v1{path}", params=query).raise_for_status().json()
    return answer


def test_a_file_becomes_frames_with_vectors_that_can_be_verified(system: InlineSystem) -> None:
    response = system.client.post("/api/v1/videos", json={"path": str(clip("h264.mp4"))})
    assert response.status_code == 202
    job = get(system, response.headers["location"].removeprefix("/api/v1"))
    assert (job["kind"], job["state"], job["total"], job["done"]) == ("ingest", "done", 4, 4)
    assert {chunk["state"] for chunk in job["chunks"]} == {"done"}
    child = get(system, f"/jobs/{job['children'][0]}")
    assert (child["kind"], child["state"], child["done"], child["parent_id"]) == (
        "embed",
        "done",
        4,
        job["id"],
    )
    video = get(system, f"/videos/{job['result']['video_id']}")
    assert (video["width"], video["height"], video["frames"], video["state"]) == (320, 240, 4, "ready")
    assert (video["project"], video["source_uri"]) == ("default", str(clip("h264.mp4")))
    frames = get(system, f"/videos/{video['id']}/frames")["items"]
    assert [frame["pts_s"] for frame in frames] == [0.0, 1.0, 2.0, 3.0]
    verification = post(system, "/verifications", {"video_id": video["id"]})
    assert (verification["state"], verification["done"], verification["failed"]) == ("done", 4, 0)
    again = post(system, "/embeddings", {"video_id": video["id"]})
    assert (again["state"], again["done"]) == ("done", 4)


def test_words_a_picture_and_a_frame_find_what_looks_like_them(seeded: InlineSystem) -> None:
    by_words = post(seeded, "/searches", {"text": "something green", "k": 2})
    assert [hit["frame_id"] for hit in by_words["hits"]] == ["2", "5"]
    assert (by_words["query"], by_words["n_searched"]) == ("something green", 6)
    by_frame = post(seeded, "/searches", {"like_frame_id": "3", "k": 2, "video_id": "1"})
    assert [hit["frame_id"] for hit in by_frame["hits"]] == ["3", "6"]
    assert by_frame["hits"][0]["score"] == pytest.approx(1.0, abs=1e-5)
    blue = jpeg_of(picture(["blue"]))
    response = seeded.client.post(
        "/api/v1/searches/image", files={"file": ("青.jpg", blue)}, data={"k": "2", "video_id": "1"}
    )
    found = response.raise_for_status().json()
    assert found["query"] == "青.jpg"
    assert [hit["frame_id"] for hit in found["hits"]] == ["3", "6"]
    assert {moment["best_frame_id"] for moment in found["moments"]} == {"3", "6"}


def test_a_picture_that_is_none_is_refused(seeded: InlineSystem) -> None:
    response = seeded.client.post("/api/v1/searches/image", files={"file": ("a.jpg", b"not a picture")})
    assert (response.status_code, response.json()["code"]) == (422, "unreadable-picture")
    response = seeded.client.post("/api/v1/searches/image", data={"k": "2"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")


def test_without_a_worker_a_search_says_so(tmp_path: Path) -> None:
    with inline_system(tmp_path, query_timeout_s=0.05) as system:
        system.queue.run_query = lambda _query_id: None
        response = system.client.post("/api/v1/searches", json={"text": "car"})
    assert (response.status_code, response.json()["code"]) == (503, "no-embedding-worker")


def test_proposals_are_decided_edited_and_exported(tmp_path: Path) -> None:
    with inline_system(tmp_path / "home") as system:
        seed_video(system.ctx)
        run = post(
            system, "/annotation-runs", {"prompts": ["red", "blue"], "search": {"text": "red", "top": 2}}
        )
        assert (run["kind"], run["state"], run["done"]) == ("annotate", "done", 2)
        first, second = get(system, "/annotations", status="proposed")["items"]
        assert (first["class_name"], first["bbox_xyxy"], first["source"]) == ("red", [4, 8, 20, 40], "model")
        assert first["segmentation"]["size"] == [48, 64]

        decided = post(system, "/annotations/decisions", {"ids": [first["id"]], "status": "accepted"})
        assert [item["status"] for item in decided["items"]] == ["accepted"]
        edited = edit(system, second["id"], {"bbox_xyxy": [1, 2, 30, 40], "expected_revision": 1})
        assert (edited["source"], edited["status"], edited["revision"]) == ("person", "accepted", 2)
        assert edited["segmentation"] is None
        history = get(system, f"/annotations/{second['id']}/history")["items"]
        assert [state["segmentation"] for state in history] == [second["segmentation"]]
        assert [(state["class_name"], state["status"]) for state in history] == [("red", "proposed")]

        assert get(system, "/projects/default/classes")["items"] == [{"name": "blue"}, {"name": "red"}]
        export = post(system, "/exports", {"directory": str(tmp_path / "dataset")})
        assert (export["state"], export["result"]["n_annotations"]) == ("done", 2)
        coco = json.loads((tmp_path / "dataset" / "annotations" / "instances_default.json").read_text())
        assert len(coco["annotations"]) == 2


def edit(system: InlineSystem, annotation_id: str, body: dict[str, Any]) -> dict[str, Any]:
    response = system.client.patch(f"/api/v1/annotations/{annotation_id}", json=body)
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def test_two_people_do_not_overwrite_each_other(seeded: InlineSystem) -> None:
    drawn = post(seeded, "/annotations", {"frame_id": "1", "class_name": "car", "bbox_xyxy": [0, 0, 9, 9]})
    url = f"/api/v1/annotations/{drawn['id']}"
    assert drawn["status"] == "accepted"
    edit(seeded, drawn["id"], {"class_name": "truck", "expected_revision": 1})
    late = seeded.client.patch(url, json={"class_name": "van", "expected_revision": 1})
    assert (late.status_code, late.json()["code"]) == (409, "stale-revision")
    assert seeded.client.get(url).json()["class_name"] == "truck"
    assert seeded.client.delete(url).status_code == 204
    assert seeded.client.delete(url).status_code == 404


def test_a_mask_is_drawn_with_its_holes(seeded: InlineSystem) -> None:
    ring = np.zeros((48, 64), np.bool_)
    ring[10:30, 10:40] = True
    ring[15:25, 20:30] = False
    mask = masks.encode(ring).to_coco()
    drawn = post(seeded, "/annotations", {"frame_id": "2", "class_name": "ring", "segmentation": mask})
    assert drawn["segmentation"] == mask
    assert drawn["bbox_xyxy"] == [10, 10, 40, 30]


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [48, 64], "counts": "X6P1"},
        {"size": [64, 48], "counts": "PPQ3"},
        {"size": [2**31, 2**31], "counts": "0"},
        {"size": [48, 64], "counts": "é"},
        {"size": [48], "counts": ""},
        {"size": [48, 64], "counts": [10, 20]},
    ],
)
def test_a_mask_that_does_not_fit_is_refused(seeded: InlineSystem, segmentation: dict[str, Any]) -> None:
    body = {"frame_id": "2", "class_name": "ring", "segmentation": segmentation}
    assert seeded.client.post("/api/v1/annotations", json=body).status_code == 422


def test_a_decision_about_many_is_made_for_all_or_none(seeded: InlineSystem) -> None:
    drawn = post(seeded, "/annotations", {"frame_id": "3", "class_name": "car", "bbox_xyxy": [0, 0, 9, 9]})
    body = {"ids": [drawn["id"], "999"], "status": "rejected"}
    assert seeded.client.post("/api/v1/annotations/decisions", json=body).status_code == 404
    assert get(seeded, f"/annotations/{drawn['id']}")["status"] == "accepted"


def test_an_export_never_replaces_what_is_none(seeded: InlineSystem, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    post(seeded, "/annotations", {"frame_id": "4", "class_name": "car", "bbox_xyxy": [0, 0, 9, 9]})
    response = seeded.client.post("/api/v1/exports", json={"directory": str(tmp_path)})
    assert (response.status_code, response.json()["code"]) == (409, "export-target-taken")


def test_a_job_is_cancelled_and_tried_again(seeded: InlineSystem) -> None:
    run_chunk, seeded.queue.run_chunk = seeded.queue.run_chunk, lambda _chunk_id: None
    job = post(seeded, "/annotation-runs", {"prompts": ["white"], "frame_ids": ["1", "2"]})
    assert job["state"] == "queued"
    assert post(seeded, f"/jobs/{job['id']}/cancel", {})["state"] == "cancelled"
    seeded.queue.run_chunk = run_chunk
    post(seeded, f"/jobs/{job['id']}/retry", {})
    assert get(seeded, f"/jobs/{job['id']}")["state"] == "done"
    assert get(seeded, f"/jobs/{job['id']}/issues")["total"] == 0


def test_the_system_tells_what_it_is_and_how_busy(seeded: InlineSystem) -> None:
    system = get(seeded, "/system")
    assert (system["embedder"], system["segmenter"], system["database"]) == ("fake", "fake", "sqlite")
    assert [queue["queue"] for queue in system["queues"]] == ["default", "siglip", "sam3"]
    assert system["queues"][1]["done"] >= 1
    assert any(model["model_id"] == "facebook/sam3" for model in seeded.client.get("/api/v1/models").json())
    figures = seeded.client.get("/metrics").text
    assert 'komadori_jobs{queue="siglip",state="done"}' in figures
    assert 'komadori_oldest_queued_seconds{queue="sam3"} 0.0' in figures
    assert 'komadori_workers{queue="default",state="ready"} 0.0' in figures
