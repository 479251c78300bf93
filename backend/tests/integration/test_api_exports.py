"""Datasets over HTTP: which formats there are, what would leave, where it goes, and the archive of it."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from komadori.core import masks, registry
from komadori.core.errors import ConflictError
from komadori.core.types import AnnotationStatus, JsonDict
from komadori.services import annotate, export, export_archive, review
from komadori.services.annotate import Targets
from tests.support.app import InlineSystem, inline_system, seed_video


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    """Six frames: two red blocks accepted, two green ones proposed, a blue box drawn without a mask."""
    with inline_system(tmp_path_factory.mktemp("exports") / "home") as made:
        seed_video(made.ctx)
        annotate.request(made.ctx, ["red", "green"], Targets())
        red = [item["id"] for item in get(made, "/annotations")["items"] if item["class_name"] == "red"]
        review.decide(made.ctx, [int(annotation_id) for annotation_id in red], AnnotationStatus.ACCEPTED)
        review.draw(made.ctx, 3, "blue", (4.0, 8.0, 20.0, 40.0), None)
        yield made


def get(system: InlineSystem, path: str, **query: str) -> Any:
    return system.client.get(f"/api/v1{path}", params=query).raise_for_status().json()


def post(system: InlineSystem, path: str, body: JsonDict) -> Any:
    return system.client.post(f"/api/v1{path}", json=body).raise_for_status().json()


def problem(system: InlineSystem, method: str, path: str, body: JsonDict | None = None) -> tuple[int, str]:
    response = system.client.request(method, f"/api/v1{path}", json=body)
    return response.status_code, response.json()["code"]


def test_the_formats_are_those_of_the_registry(system: InlineSystem) -> None:
    listed = get(system, "/export-formats")

    assert [found["name"] for found in listed] == registry.names("exporters")
    assert listed[0] == {
        "name": "coco",
        "title": "COCO",
        "description": "Boxes and masks in one JSON file, the masks as run lengths: nothing is lost.",
        "needs_masks": False,
    }


def test_a_preview_counts_what_would_leave(system: InlineSystem) -> None:
    assert post(system, "/exports/preview", {"status": "all"}) == {
        "n_images": 5,
        "n_annotations": 5,
        "classes": [{"name": "blue", "n": 1}, {"name": "green", "n": 2}, {"name": "red", "n": 2}],
        "samples": ["1", "3", "5"],
        "warnings": [],
    }


def test_a_preview_says_what_stays(system: InlineSystem) -> None:
    found = post(system, "/exports/preview", {})

    assert (found["n_images"], found["samples"]) == (3, ["1", "3", "4"])
    assert found["warnings"] == ["2 proposals that nobody has decided about stay out."]


def test_a_preview_of_nothing(system: InlineSystem) -> None:
    seed_video(system.ctx, project="empty")

    found = post(system, "/exports/preview", {"project": "empty", "status": "all"})

    assert (found["n_images"], found["n_annotations"], found["classes"], found["samples"]) == (0, 0, [], [])
    assert found["warnings"] == ["There is nothing to export: no annotation has this status."]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"format": "cocoa"}, (422, "unknown-name")),
        ({"project": "nowhere"}, (404, "not-found")),
        ({"directory": "/tmp/x"}, (422, "invalid-request")),
    ],
)
def test_a_preview_of_what_there_is_not(
    system: InlineSystem, body: JsonDict, expected: tuple[int, str]
) -> None:
    assert problem(system, "POST", "/exports/preview", body) == expected


def test_an_export_without_a_folder_has_its_own(system: InlineSystem) -> None:
    job = post(system, "/exports", {})

    assert job["state"] == "done"
    assert job["result"]["directory"] == str(system.settings.exports_dir / "default-coco")
    assert (system.settings.exports_dir / "default-coco" / "manifest.json").is_file()


def test_a_format_of_masks_is_refused_where_there_are_only_boxes(system: InlineSystem) -> None:
    body = {"format": "yolo-segment"}

    (missing, _) = post(system, "/exports/preview", body)["warnings"]

    assert missing.endswith("as YOLO segmentation has no place for a box alone; got 1 without one.")
    assert problem(system, "POST", "/exports", body) == (422, "masks-missing")
    assert post(system, "/exports", {"format": "yolo-detect"})["result"]["n_annotations"] == 3


def test_a_mask_that_makes_no_good_polygon_fails_the_export_and_leaves_no_folder(
    system: InlineSystem,
) -> None:
    _, frame_ids = seed_video(system.ctx, project="noisy")
    noise = masks.encode(np.random.default_rng(0).random((48, 64)) < 0.3)
    drawn = review.draw(system.ctx, frame_ids[0], "snow", None, noise)

    job = post(system, "/exports", {"format": "yolo-segment", "project": "noisy"})

    failed = get(system, f"/jobs/{job['id']}")
    assert failed["state"] == "failed"
    assert f"got 1 below: annotations {drawn.id};" in failed["error"]
    assert "Use the format coco" in failed["error"]
    assert not (system.settings.exports_dir / "noisy-yolo-segment").exists()


def test_the_archive_has_the_files_of_the_folder(system: InlineSystem, tmp_path: Path) -> None:
    job = post(system, "/exports", {"directory": str(tmp_path / "赤い車")})
    (tmp_path / "赤い車" / "notes.txt").write_text("mine, and no part of the dataset")

    response = system.client.get(f"/api/v1/exports/{job['id']}/archive")

    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-length"] == str(len(response.content))
    assert "%E8%B5%A4%E3%81%84%E8%BB%8A.zip" in response.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        names = archive.namelist()
        assert names[0] == "manifest.json"
        for name in names:
            assert archive.read(name) == (tmp_path / "赤い車" / name).read_bytes()
    written = {p.relative_to(tmp_path / "赤い車").as_posix() for p in (tmp_path / "赤い車").rglob("*.*")}
    assert set(names) == written - {"notes.txt"}


def test_another_export_in_the_same_folder_takes_the_archive_away(
    system: InlineSystem, tmp_path: Path
) -> None:
    body = {"directory": str(tmp_path / "dataset")}
    first, same = post(system, "/exports", body), post(system, "/exports", body)
    assert system.client.get(f"/api/v1/exports/{first['id']}/archive").status_code == 200

    post(system, "/exports", {**body, "status": "all"})

    for job in (first, same):
        assert problem(system, "GET", f"/exports/{job['id']}/archive") == (409, "export-gone")


def test_no_mixture_of_two_exports_is_ever_a_whole_archive(system: InlineSystem, tmp_path: Path) -> None:
    body = {"directory": str(tmp_path / "dataset")}
    job = post(system, "/exports", body)
    blocks = export_archive.archive(system.ctx, int(job["id"])).blocks()
    next(blocks)
    post(system, "/exports", {**body, "status": "all"})

    with pytest.raises(ConflictError) as caught:
        list(blocks)

    assert caught.value.code == "export-gone"


def test_a_folder_that_was_removed_or_robbed_has_no_archive(system: InlineSystem, tmp_path: Path) -> None:
    job = post(system, "/exports", {"directory": str(tmp_path / "dataset")})
    next((tmp_path / "dataset" / "images").iterdir()).unlink()
    assert problem(system, "GET", f"/exports/{job['id']}/archive") == (409, "export-gone")

    (tmp_path / "dataset").rename(tmp_path / "elsewhere")
    assert problem(system, "GET", f"/exports/{job['id']}/archive") == (409, "export-gone")


def test_only_a_finished_export_has_an_archive(system: InlineSystem, tmp_path: Path) -> None:
    run_chunk, system.queue.run_chunk = system.queue.run_chunk, lambda _chunk_id: None
    waiting = post(system, "/exports", {"directory": str(tmp_path / "dataset")})
    system.queue.run_chunk = run_chunk

    assert problem(system, "GET", f"/exports/{waiting['id']}/archive") == (409, "export-not-done")
    assert problem(system, "GET", "/exports/1/archive") == (404, "not-found")
    assert problem(system, "GET", "/exports/999999/archive") == (404, "not-found")


def test_jobs_are_narrowed_by_kind_and_state(system: InlineSystem, tmp_path: Path) -> None:
    done = post(system, "/exports", {"directory": str(tmp_path / "dataset")})
    run_chunk, system.queue.run_chunk = system.queue.run_chunk, lambda _chunk_id: None
    waiting = post(system, "/exports", {"directory": str(tmp_path / "dataset")})
    system.queue.run_chunk = run_chunk

    exports = get(system, "/jobs", kind="export")
    assert {job["kind"] for job in exports["items"]} == {"export"}
    assert exports["total"] == len(exports["items"])
    finished = get(system, "/jobs", kind="export", state="done")
    assert done["id"] in {job["id"] for job in finished["items"]}
    assert waiting["id"] not in {job["id"] for job in finished["items"]}
    assert get(system, "/jobs", kind="no-such-kind") == {"items": [], "total": 0, "next_cursor": None}


@pytest.mark.parametrize("project", ["a/b", "..", ".hidden", "a%b", "動画" * 90, "x" * 200])
def test_each_project_has_a_folder_of_its_own_inside_the_exports(project: str) -> None:
    folder = export.own_folder(Path("/exports"), project, "coco")

    assert folder.parent == Path("/exports")
    assert not folder.name.startswith(".")
    assert len(folder.name.encode()) <= 200
    others = [export.own_folder(Path("/exports"), other, "coco") for other in ("a%2Fb", f"{project}x", "a-b")]
    assert folder not in others
