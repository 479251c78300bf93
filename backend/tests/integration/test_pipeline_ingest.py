"""A file becomes frames: recognised by its bytes, decoded once, in the samplings that were asked for."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from komadori.core.errors import InputError, KomadoriError, NotFoundError
from komadori.core.types import Job, JobState, VideoState
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import embeddings
from komadori.media.probe import probe_video
from komadori.services import ingest, jobs, verify
from tests.support.app import jpeg_of, picture
from tests.support.clips import clip
from tests.support.pipeline import Pipeline, count_decoding, pipeline, sampling

pytestmark = pytest.mark.usefixtures("both_databases")

EVERY_SECOND = sampling("every", seconds=1)
EVERY_HALF = sampling("every", seconds=0.5)
KEYFRAMES = sampling("keyframes")
NO_REPEATS = sampling("every", seconds=1, skip_near_duplicates=True)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path / "home") as made:
        yield made


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    return count_decoding(monkeypatch)


def indices(system: Pipeline, job: Job) -> list[int]:
    return [frame.decode_index for frame in system.frames(job)]


def test_a_video_becomes_frames_with_vectors(system: Pipeline, decoded: list[tuple[int, ...]]) -> None:
    job = system.add(clip("h264.mp4"), EVERY_SECOND)

    assert (job.state, job.total, job.done, job.skipped, job.failed) == (JobState.DONE, 4, 4, 0, 0)
    assert decoded == [(0, 30, 60, 90)]
    [video] = system.videos()
    assert (video.state, video.frame_count, video.width, video.height) == (VideoState.READY, 4, 320, 240)
    frames = system.frames(job)
    assert [float(frame.pts_s) for frame in frames] == [0.0, 1.0, 2.0, 3.0]
    assert all(
        system.ctx.blobs.exists(f.image_key) and system.ctx.blobs.exists(f.thumbnail_key) for f in frames
    )
    assert None not in [frame.mean_colour for frame in frames]
    [child] = system.children(job.id)
    assert (child.kind, child.state, child.total, child.done) == ("embed", JobState.DONE, 4, 4)


def test_the_same_file_again_decodes_nothing(system: Pipeline, decoded: list[tuple[int, ...]]) -> None:
    first = system.add(clip("h264.mp4"), EVERY_SECOND)
    again = system.add(clip("h264.mp4"), EVERY_SECOND)

    assert len(decoded) == 1
    assert (again.state, again.total) == (JobState.DONE, 0)
    assert again.result == {**first.result, "n_already_there": 4}
    assert indices(system, again) == [0, 30, 60, 90]
    assert system.embedder.calls == ["4 images"]


def test_the_same_bytes_under_another_name_are_the_same_video(
    system: Pipeline, decoded: list[tuple[int, ...]], tmp_path: Path
) -> None:
    copy = tmp_path / "holiday.mp4"
    shutil.copy(clip("h264.mp4"), copy)

    first = system.add(clip("h264.mp4"), EVERY_SECOND)
    again = system.add(copy, EVERY_SECOND)

    assert again.result["video_id"] == first.result["video_id"]
    assert again.result["n_already_there"] == 4
    assert len(decoded) == 1
    [video] = system.videos()
    assert (video.name, video.source_uri) == ("h264.mp4", str(copy))


def test_the_same_file_twice_at_once_is_decoded_once(
    system: Pipeline, decoded: list[tuple[int, ...]]
) -> None:
    system.hold()
    both = [system.add(clip("h264.mp4"), EVERY_SECOND) for _ in range(2)]
    for _ in ("probe", "decode"):
        for job in both:
            system.run_waiting(job.id)

    assert decoded == [(0, 30, 60, 90)]
    for job in both:
        ended = system.job(job.id)
        assert (ended.state, ended.done) == (JobState.DONE, 4)
        assert indices(system, ended) == [0, 30, 60, 90]


def test_another_sampling_adds_the_frames_that_it_lacks(
    system: Pipeline, decoded: list[tuple[int, ...]]
) -> None:
    coarse = system.add(clip("h264.mp4"), EVERY_SECOND)
    fine = system.add(clip("h264.mp4"), EVERY_HALF)
    keys = system.add(clip("h264.mp4"), KEYFRAMES)

    assert decoded == [(0, 30, 60, 90), (15, 45, 75, 105)]
    assert (fine.result["n_targets"], fine.result["n_already_there"]) == (8, 4)
    assert indices(system, coarse) == [0, 30, 60, 90]
    assert indices(system, fine) == [0, 15, 30, 45, 60, 75, 90, 105]
    assert indices(system, keys) == [0, 30, 60, 90]
    shared = {frame.id for frame in system.frames(coarse)}
    assert shared < {frame.id for frame in system.frames(fine)}
    assert shared == {frame.id for frame in system.frames(keys)}
    assert len(system.all_frames(int(fine.result["video_id"]))) == 8


def test_near_duplicates_are_judged_once(system: Pipeline, decoded: list[tuple[int, ...]]) -> None:
    first = system.add(clip("two_scenes.mp4"), NO_REPEATS)
    again = system.add(clip("two_scenes.mp4"), NO_REPEATS)

    assert (first.done, first.skipped) == (3, 9)
    assert indices(system, first) == [0, 40, 80]
    assert {issue.reason.rpartition(" ")[0] for issue in system.issues(first.id)} == {"near-duplicate of"}
    assert len(decoded) == 1
    assert (again.total, again.result["n_already_there"]) == (0, 12)
    assert indices(system, again) == [0, 40, 80]


def test_skipping_repeats_is_not_fooled_by_frames_of_other_samplings(system: Pipeline) -> None:
    everything = system.add(clip("two_scenes.mp4"), EVERY_SECOND)
    pictures = {frame.image_key: system.ctx.blobs.get(frame.image_key) for frame in system.frames(everything)}

    chosen = system.add(clip("two_scenes.mp4"), NO_REPEATS)

    assert len(indices(system, everything)) == 12
    assert indices(system, chosen) == [0, 40, 80]
    assert {key: system.ctx.blobs.get(key) for key in pictures} == pictures


def test_each_project_has_a_video_of_its_own(tmp_path: Path) -> None:
    with pipeline(tmp_path) as system:
        first = system.add(clip("h264.mp4"), EVERY_SECOND, "first")
    with pipeline(tmp_path, jpeg_quality=40) as system:
        second = system.add(clip("h264.mp4"), EVERY_SECOND, "second")

        assert first.result["video_id"] != second.result["video_id"]
        for job in (first, second):
            checked = verify.request(system.ctx, int(job.result["video_id"]))
            assert (checked.done, checked.failed) == (4, 0)


def test_bad_files_say_what_they_are_and_harm_nothing(system: Pipeline, tmp_path: Path) -> None:
    contents = {
        "empty.mp4": b"",
        "notes.mp4": b"Dear diary, today I filmed nothing.\n" * 9,
        "list.m3u8": b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n",
        "script.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "picture.mp4": jpeg_of(picture(["red"])),
        "sound.mp4": clip("sound.m4a").read_bytes(),
        "cut.mp4": clip("no_index.mp4").read_bytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    system.hold()
    bad = {name: system.add(tmp_path / name, KEYFRAMES) for name in contents}
    good = system.add(clip("h264.mp4"), KEYFRAMES)
    for job in (*bad.values(), good, good):
        system.run_waiting(job.id)

    failed = {name: system.job(job.id) for name, job in bad.items()}
    assert {job.state for job in failed.values()} == {JobState.FAILED}
    for name, what in {
        "empty.mp4": "an empty file",
        "notes.mp4": "text",
        "list.m3u8": "playlist",
        "script.mp4": "ffconcat script",
        "picture.mp4": "picture",
        "sound.mp4": "audio",
        "cut.mp4": "cut off",
    }.items():
        assert failed[name].error is not None
        assert str(tmp_path / name) in str(failed[name].error)
        assert what in str(failed[name].error)
    assert (system.job(good.id).state, system.job(good.id).done) == (JobState.DONE, 4)
    assert [video.name for video in system.videos()] == ["h264.mp4"]


@pytest.mark.parametrize(
    ("path", "error", "code"),
    [
        ("/nowhere/film.mp4", NotFoundError, "no-such-file"),
        ("/tmp", InputError, "is-a-directory"),
        ("film.mp4", InputError, "bad-path"),
        ("/dev/null", InputError, "not-a-file"),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    system: Pipeline, path: str, error: type[KomadoriError], code: str
) -> None:
    with pytest.raises(error) as caught:
        system.add(Path(path), EVERY_SECOND)
    assert caught.value.code == code
    assert path in caught.value.message
    assert caught.value.hint


def test_a_sampling_that_makes_no_sense_is_refused_at_once(system: Pipeline) -> None:
    with pytest.raises(InputError, match="'every' does not take these parameters"):
        system.add(clip("h264.mp4"), sampling("every", hours=1))


def test_damage_in_the_middle_costs_only_the_frames_there(
    system: Pipeline, decoded: list[tuple[int, ...]]
) -> None:
    job = system.add(clip("corrupt.mp4"), sampling("all_frames"))

    assert (job.state, job.total, job.failed) == (JobState.DONE, 120, 0)
    assert job.done + job.skipped == 120
    stored = system.frames(job)
    assert len(stored) == job.done > 100
    assert {frame.decode_index for frame in stored} >= {*range(30), *range(60, 120)}
    issues = system.issues(job.id)
    assert len(issues) == job.skipped
    assert all(issue.item.endswith(" of corrupt.mp4") and issue.reason for issue in issues)
    assert any(frame.is_suspect for frame in stored) or issues

    system.add(clip("corrupt.mp4"), sampling("all_frames"))
    assert len(decoded) == 1, "what could not be decoded is not tried again"


def test_a_file_that_is_still_written_is_not_added(
    system: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = tmp_path / "growing.mp4"
    shutil.copy(clip("h264.mp4"), growing)

    def probe_while_writing(path: Path, **how: Any) -> Any:
        with path.open("ab") as file:
            file.write(b"more")
        return probe_video(path, **how)

    monkeypatch.setattr(ingest, "probe_video", probe_while_writing)
    job = system.add(growing, EVERY_SECOND)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"{growing} was written to while it was being read." in job.error
    assert system.videos() == []


def test_a_file_that_was_replaced_is_not_decoded_under_the_old_name(system: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    shutil.copy(clip("h264.mp4"), path)
    system.hold()
    job = system.add(path, EVERY_SECOND)
    system.run_waiting(job.id)
    shutil.copy(clip("long_gop.mp4"), path)
    system.run_waiting(job.id)

    failed = system.job(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert f"{path} is not the file any more" in failed.error
    assert system.frames(failed) == []

    shutil.copy(clip("h264.mp4"), path)
    system.queue.run_chunk = system.run
    jobs.retry(system.ctx, job.id)
    assert (system.job(job.id).state, system.job(job.id).done) == (JobState.DONE, 4)


def test_cancel_keeps_what_is_committed_and_retry_does_the_rest(
    tmp_path: Path, decoded: list[tuple[int, ...]]
) -> None:
    with pipeline(tmp_path, decode_chunk_s=0.001) as system:
        system.hold()
        job = system.add(clip("h264.mp4"), EVERY_HALF)
        system.run_waiting(job.id)
        with system.ctx.sessions.read() as session:
            chunks = [chunk.id for chunk in chunk_rows.of_job(session, job.id)][1:]
        assert len(chunks) == 4
        system.run(chunks[0])
        system.run(chunks[1])
        jobs.cancel(system.ctx, job.id)
        assert [system.run(chunk_id) for chunk_id in chunks[2:]] == [None, None]

        cancelled = system.job(job.id)
        assert (cancelled.state, cancelled.done) == (JobState.CANCELLED, 4)
        assert indices(system, cancelled) == [0, 15, 30, 45]
        assert system.videos()[0].state is VideoState.READY
        [child] = system.children(job.id)
        system.run_waiting(child.id)
        assert (system.job(child.id).state, system.job(child.id).done) == (JobState.DONE, 4)

        system.queue.run_chunk = system.run
        jobs.retry(system.ctx, job.id)
        finished = system.job(job.id)
        assert (finished.state, finished.done) == (JobState.DONE, 8)
        assert decoded == [(0, 15), (30, 45), (60, 75), (90, 105)]
        assert indices(system, finished) == [0, 15, 30, 45, 60, 75, 90, 105]
        with system.ctx.sessions.read() as session:
            active = embeddings.active_space(session, "fake")
            assert active is not None
            assert embeddings.count_embedded(session, active[0]) == 8
