"""The command line against a running system, with the shapes of its JSON written out."""

import getpass
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from PIL import Image as Pictures

from komadori.cli.main import main
from komadori.doctor.machine import check_api
from komadori.doctor.report import ok
from komadori.settings import Settings
from tests.support.clips import clip
from tests.support.running_up import running_up

VIDEO = {"id", "name", "sha256", "duration_s", "width", "height", "rotation", "frames", "state"}
FRAME = {"id", "video_id", "index", "pts", "time_base", "pts_s", "width", "height", "image"}
ANNOTATION = {
    *("id", "frame_id", "class_name", "bbox_xyxy"),
    *("confidence", "status", "track_id", "segmentation"),
}
REVISION = {
    *("revision", "class_name", "status", "source", "bbox_xyxy", "confidence", "segmentation"),
    *("changed_s", "changed_by"),
}
JOB = {"id", "kind", "state", "total", "done", "skipped", "failed", "error", "chunks"}
CHUNK = (JOB - {"chunks"}) | {"position", "queue", "attempts"}


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands as a user would, against one system with one video in it."""

    url: str
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        with mock.patch.dict(os.environ, {"KOMADORI_URL": self.url}):
            status = main(words)
        captured = self.capsys.readouterr()
        return status, captured.out, captured.err

    def json(self, *words: str) -> Any:
        status, out, err = self.run(*words, "--json")
        assert status == 0, err
        return json.loads(out)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_up(tmp_path_factory.mktemp("cli") / "home") as up:
        with mock.patch.dict(os.environ, {"KOMADORI_URL": up.url}):
            assert main(["add", str(clip("h264.mp4")), "--every", "0.5", "--wait"]) == 0
            assert main(["annotate", "--prompt", "red", "green", "--wait"]) == 0
        yield up.url


@pytest.fixture
def shell(url: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(url, capsys)


def test_videos(shell: Shell) -> None:
    (video,) = shell.json("videos")

    assert set(video) == VIDEO
    assert (video["id"], video["frames"], video["state"]) == ("1", 8, "ready")


def test_frames(shell: Shell) -> None:
    frames = shell.json("frames", "1")

    assert [set(frame) for frame in frames] == [FRAME] * 8
    assert [frame["pts_s"] for frame in frames] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert [frame["index"] for frame in shell.json("frames", "1", "--limit", "2")] == [0, 15]


def test_search_by_words_by_picture_and_by_frame(shell: Shell, tmp_path: Path) -> None:
    picture = tmp_path / "query.png"
    picture.write_bytes(_red_picture())

    for words in (["search", "red"], ["search", "--image", str(picture)], ["search", "--like", "3"]):
        answer = shell.json(*words, "-k", "4", "--video", "1")
        assert set(answer) == {"query", "hits", "moments", "scale"}
        assert len(answer["hits"]) == 4
        assert set(answer["hits"][0]) == {"frame_id", "video_id", "pts_s", "score", "band"}
        assert set(answer["moments"][0]) == {"video_id", "from_pts_s", "to_pts_s", "best_frame_id", "score"}

    assert shell.json("search", "--like", "3")["hits"][0]["frame_id"] == "3"


def test_people_see_times_in_hours_minutes_seconds(shell: Shell) -> None:
    status, out, _ = shell.run("search", "--like", "3", "-k", "2")

    assert status == 0
    assert "2 hits in 1 moment, of 8 frames" in out
    assert "0:00:01.000" in out


def test_annotations(shell: Shell) -> None:
    found = shell.json("annotations", "--video", "1")

    assert {frozenset(annotation) for annotation in found} == {frozenset(ANNOTATION)}
    assert {annotation["class_name"] for annotation in found} == {"red", "green"}
    assert found[0]["segmentation"]["size"] == [240, 320]
    assert isinstance(found[0]["segmentation"]["counts"], str)
    (of_one,) = {a["frame_id"] for a in shell.json("annotations", "--frame", "2")}
    assert of_one == "2"


def test_the_history_of_an_annotation_says_who_and_when(shell: Shell) -> None:
    last = shell.json("annotations")[-1]["id"]
    assert shell.json("annotations", "--history", last) == []
    shell.json("reject", last)

    (former,) = shell.json("annotations", "--history", last)
    assert set(former) == REVISION
    assert (former["revision"], former["status"], former["changed_by"]) == (1, "proposed", getpass.getuser())
    status, out, _ = shell.run("annotations", "--history", last)
    proposed, rejected = (line.split() for line in out.splitlines()[1:])
    assert (status, proposed[2], proposed[-1]) == (0, "proposed", "-")
    assert (rejected[2], rejected[-1]) == ("rejected", getpass.getuser())


@pytest.mark.parametrize("frames", [["--frame", "1", "2"], ["--frame", "1", "--frame", "2"]])
def test_annotating_takes_frames_and_prompts_in_both_notations(shell: Shell, frames: list[str]) -> None:
    job = shell.json("annotate", "--prompt", "blue", "yellow", *frames, "--wait")

    assert set(job) == JOB
    assert set(job["chunks"][0]) == CHUNK
    assert (job["kind"], job["state"], job["total"], job["done"]) == ("annotate", "done", 2, 2)


def test_annotating_the_best_hits_of_a_search(shell: Shell) -> None:
    job = shell.json("annotate", "--prompt", "white", "--search", "red", "--top", "3", "--wait")

    assert (job["state"], job["total"]) == ("done", 3)


def test_what_is_accepted_is_exported(shell: Shell, tmp_path: Path) -> None:
    first, second = [found["id"] for found in shell.json("annotations")[:2]]
    assert [found["status"] for found in shell.json("accept", first)] == ["accepted"]
    assert [found["status"] for found in shell.json("reject", second)] == ["rejected"]

    status, out, err = shell.run("export", str(tmp_path / "dataset"), "--format", "coco")

    assert (status, err) == (0, "")
    assert out == f"1 annotation on 1 image in {tmp_path / 'dataset'}\n"
    exported = json.loads((tmp_path / "dataset/annotations/instances_default.json").read_text())
    assert [annotation["id"] for annotation in exported["annotations"]] == [int(first)]


def test_an_export_goes_to_the_folder_as_seen_from_here(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert shell.run("export", "all", "--format", "coco", "--status", "all")[0] == 0
    assert (tmp_path / "all" / "manifest.json").is_file()


def test_an_export_without_a_folder_says_where_it_went(shell: Shell) -> None:
    status, out, err = shell.run("export", "--format", "yolo-segment", "--status", "all")

    assert (status, err) == (0, "")
    folder = Path(out.strip().rpartition(" in ")[2])
    assert folder.name == "default-yolo-segment"
    assert (folder / "dataset.yaml").is_file()


def test_a_preview_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    found = shell.json("export", str(tmp_path / "dataset"), "--preview", "--status", "all")

    assert set(found) == {"n_images", "n_annotations", "classes", "samples", "warnings"}
    assert found["n_annotations"] == sum(share["n"] for share in found["classes"])
    status, out, _ = shell.run("export", "--preview", "--status", "all")
    assert status == 0
    assert out.startswith(f"{found['n_annotations']} annotations on {found['n_images']} images\n")
    assert not (tmp_path / "dataset").exists()


def test_verify(shell: Shell) -> None:
    status, out, _ = shell.run("verify", "1")

    assert (status, out) == (0, "8 frames of video 1 agree with the source.\n")


def test_jobs(shell: Shell) -> None:
    listed = shell.json("jobs", "list")
    assert set(listed[0]) == JOB - {"chunks"}
    assert {job["kind"] for job in listed} >= {"ingest", "embed", "annotate"}
    assert shell.json("jobs")[-1] == listed[-1]

    shown = shell.json("jobs", "show", listed[-1]["id"])
    assert set(shown) == JOB
    assert (shown["kind"], shown["state"], shown["done"]) == ("ingest", "done", 8)
    assert shell.run("jobs", "watch", listed[-1]["id"])[1] == "ingest: 8 frames · embed: 8 frames\n"


def test_cancel_and_retry_answer_with_the_job(shell: Shell) -> None:
    job_id = shell.json("jobs")[-1]["id"]

    assert shell.json("jobs", "cancel", job_id)["id"] == job_id
    status, out, err = shell.run("jobs", "retry", job_id)
    assert status in (0, 1)
    assert job_id in out + err


def test_embedding_again_passes_over_what_is_there(shell: Shell) -> None:
    job = shell.json("embed", "--video", "1", "--wait")

    assert (job["state"], job["total"], job["done"]) == ("done", 8, 8)


def test_projects(shell: Shell) -> None:
    assert shell.json("projects")[0] == {"id": "1", "name": "default"}


def test_one_bad_file_does_not_stop_the_others(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.mp4").write_text("This is no video.")
    (tmp_path / "good.mp4").symlink_to(clip("h264.mp4"))
    monkeypatch.chdir(tmp_path)

    words = ["add", "gone.mp4", "notes.mp4", "good.mp4", "--keyframes", "--project", "mixed", "--wait"]
    status, out, _ = shell.run(*words, "--json")

    assert status == 1
    lines = json.loads(out)
    assert [line["path"] for line in lines] == ["gone.mp4", "notes.mp4", "good.mp4"]
    assert [line["state"] for line in lines] == ["failed", "failed", "done"]
    assert lines[0]["error"]["code"] == "no-such-file"
    assert "/media" in lines[0]["error"]["hint"]
    assert "notes.mp4" in lines[1]["error"]["message"]
    assert [video["id"] for video in shell.json("videos", "--project", "mixed")] == [lines[2]["video_id"]]


def test_a_path_that_may_not_be_read_is_no_misuse_that_stops_the_others(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))

    status, out, _ = shell.run("add", str(tmp_path), str(tmp_path / "gone.mp4"), "--json")

    assert status == 1
    assert [line["error"]["code"] for line in json.loads(out)] == ["is-a-directory", "no-such-file"]


def test_an_unknown_thing_is_an_error_with_a_code(shell: Shell) -> None:
    status, out, err = shell.run("frames", "999")

    assert (status, out) == (1, "")
    assert err.startswith("not-found: ")


def test_doctor_sees_the_running_api(url: str) -> None:
    assert check_api(Settings(url=url)) == ok(f"ready at {url}")


def _red_picture() -> bytes:
    file = io.BytesIO()
    Pictures.new("RGB", (32, 32), (255, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_a_file_is_sent_and_its_video_deleted_again(shell: Shell, tmp_path: Path) -> None:
    own = tmp_path / "own.mp4"
    own.write_bytes(clip("one_frame.mp4").read_bytes())
    (line,) = shell.json("add", str(own), "--upload", "--wait")
    assert (line["state"], line["path"]) == ("done", str(own))
    (video,) = [video for video in shell.json("videos") if video["id"] == line["video_id"]]
    assert (video["name"], video["frames"]) == ("own.mp4", 1)

    status, _, err = shell.run("delete", video["id"])
    assert (status, "--yes" in err) == (2, True), "nobody is there to be asked"
    job = shell.json("delete", video["id"], "--yes", "--wait")
    assert (set(job), job["kind"], job["state"]) == (JOB, "delete", "done")
    assert video["id"] not in [left["id"] for left in shell.json("videos")]
    assert own.exists()
    status, _, err = shell.run("delete", video["id"], "--yes")
    assert (status, "not-found" in err) == (1, True)


def test_a_file_that_cannot_be_read_is_not_sent(shell: Shell, tmp_path: Path) -> None:
    status, out, _ = shell.run("add", str(tmp_path / "nothing.mp4"), "--upload", "--json")
    assert (status, json.loads(out)[0]["error"]["code"]) == (1, "unreadable-file")
