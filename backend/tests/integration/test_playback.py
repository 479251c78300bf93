"""What a browser is told about a video, and what it is given to play."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.app import InlineSystem, inline_system
from tests.support.clips import clip, true_frames


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path / "home") as made:
        yield made


def add(system: InlineSystem, path: Path) -> str:
    """The id of the video that is made of a file."""
    body = {"path": str(path), "sampler": "keyframes", "sampler_parameters": {}}
    job = system.client.post("/api/v1/videos", json=body).json()
    result = system.client.get(f"/api/v1/jobs/{job['id']}").json()["result"]
    return str(result["video_id"])


def times(system: InlineSystem, video_id: str, version: str = "source") -> NDArray[np.float64]:
    answer = system.client.get(f"/api/v1/videos/{video_id}/times?v={version}")
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<f8")


def test_a_file_that_browsers_play_is_played_as_it_is(system: InlineSystem) -> None:
    video_id = add(system, clip("edit_list.mp4"))

    found = system.client.get(f"/api/v1/videos/{video_id}/playback").json()

    assert found == {
        "kind": "source",
        "url": f"/api/v1/videos/{video_id}/media?v=source",
        "mime": "video/mp4",
        "reason": None,
        "job_id": None,
        "n_frames": 62,
        "width": 320,
        "height": 240,
    }
    expected = np.array([frame.pts for frame in true_frames(clip("edit_list.mp4"))]) / 15360
    np.testing.assert_allclose(times(system, video_id), expected, atol=5e-7)


def test_a_part_of_the_file_is_given_and_nothing_in_it_runs(system: InlineSystem) -> None:
    video_id = add(system, clip("h264.mp4"))

    part = system.client.get(f"/api/v1/videos/{video_id}/media", headers={"Range": "bytes=4-7"})

    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-type"] == "video/mp4"
    assert part.headers["content-disposition"] == "inline"
    assert part.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert part.headers["content-range"] == f"bytes 4-7/{clip('h264.mp4').stat().st_size}"


@pytest.mark.parametrize("change", ["longer", "later", "gone"])
def test_a_file_that_was_changed_is_not_given(system: InlineSystem, tmp_path: Path, change: str) -> None:
    path = tmp_path / "film.mp4"
    shutil.copyfile(clip("h264.mp4"), path)
    video_id = add(system, path)
    if change == "longer":
        with path.open("ab") as file:
            file.write(b"more")
    elif change == "later":
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    else:
        path.unlink()

    media = system.client.get(f"/api/v1/videos/{video_id}/media")
    found = system.client.get(f"/api/v1/videos/{video_id}/playback").json()

    code = {"gone": "no-such-file"}.get(change, "source-changed")
    assert (media.status_code >= 400, media.json()["code"]) == (True, code)
    assert (found["kind"], found["url"]) == ("none", None)
    assert str(path) in found["reason"]


def test_a_file_that_was_touched_is_played_once_it_is_added_again(
    system: InlineSystem, tmp_path: Path
) -> None:
    path = tmp_path / "film.mp4"
    shutil.copyfile(clip("h264.mp4"), path)
    video_id = add(system, path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    assert add(system, path) == video_id

    assert system.client.get(f"/api/v1/videos/{video_id}/playback").json()["kind"] == "source"


def test_a_video_is_shown_with_its_poster_and_its_project(system: InlineSystem) -> None:
    video_id = add(system, clip("h264.mp4"))

    [listed] = system.client.get("/api/v1/videos").json()["items"]
    alone = system.client.get(f"/api/v1/videos/{video_id}").json()

    frames = system.client.get(f"/api/v1/videos/{video_id}/frames").json()["items"]
    assert [frame["index"] for frame in frames] == [0, 30, 60, 90]
    assert listed["poster_frame_id"] == alone["poster_frame_id"] == frames[2]["id"]
    assert (listed["project"], listed["error"]) == ("default", None)
    assert listed["created_s"] == alone["created_s"] > 0
