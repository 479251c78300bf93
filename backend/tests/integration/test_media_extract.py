"""From a file to upright JPEG files and ledger entries, through the real child process."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from komadori.core.types import Image
from komadori.media.base import ExtractedFrame, ExtractOptions
from komadori.media.extract import extract_segment, plan_segments, reextract_frames
from komadori.media.probe import probe_video
from tests.support.clips import HLG_LEVELS, PQ_LEVELS, clip, ffmpeg, real_clip
from tests.support.extraction import extract_clip, picture_of, thumbnail_of

RED = (200, 50, 20)


def first(name: str, out: Path, **options: object) -> ExtractedFrame:
    return extract_clip(clip(name), out, [0], options=ExtractOptions(**options)).frames[0]  # type: ignore[arg-type]


def as_ffmpeg_shows(name: str, out: Path) -> Image:
    """The first picture as the ffmpeg program turns it upright, RGB."""
    path = out / "truth.rgb"
    ffmpeg("-i", str(clip(name)), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", str(path))
    facts, _ = probe_video(clip(name))
    return np.fromfile(path, np.uint8).reshape(facts.height, facts.width, 3)


def mean_distance(a: Image, b: Image) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_the_ledger_entry_of_a_real_frame(tmp_path: Path) -> None:
    result = extract_clip(real_clip("bikes.mp4"), tmp_path, [0, 25, 138])
    frame = result.frames[2]
    assert (frame.decode_index, frame.pts, frame.time_base.denominator) == (138, 70656, 12800)
    assert (frame.width, frame.height) == (640, 272)
    assert not frame.is_key
    assert not frame.is_suspect
    assert frame.skipped is None
    assert frame.transform["colour"]["matrix"] == "smpte170m"
    assert frame.transform["encoder"]["quality"] == 90
    assert frame.transform["decoder"]["av"]
    assert len(frame.perceptual_hash) == 16


def test_the_files_are_those_that_the_entry_names(tmp_path: Path) -> None:
    frame = extract_clip(real_clip("bikes.mp4"), tmp_path, [25]).frames[0]
    assert frame.image_path is not None
    assert frame.image_sha256 == hashlib.sha256(frame.image_path.read_bytes()).hexdigest()
    assert picture_of(frame).shape == (272, 640, 3)
    assert thumbnail_of(frame).shape == (163, 384, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["25.jpg", "25.thumb.jpg"]


def test_a_small_picture_is_not_enlarged_for_its_thumbnail(tmp_path: Path) -> None:
    assert thumbnail_of(first("loop.gif", tmp_path)).shape == (120, 160, 3)


def test_the_mean_colour_is_that_of_the_thumbnail(tmp_path: Path) -> None:
    frame = extract_clip(real_clip("bikes.mp4"), tmp_path, [25]).frames[0]
    assert frame.mean_colour is not None
    kept = np.array(list(frame.mean_colour.to_bytes(3, "big")))
    assert np.abs(kept - thumbnail_of(frame).reshape(-1, 3).mean(axis=0)).max() < 1.5
    assert np.ptp(kept) > 5, "a picture that is not grey tells red from blue"


@pytest.mark.parametrize(
    "name", ["turned_90.mp4", "turned_180.mp4", "turned_270.mp4", "mirrored.mp4", "mirrored_90.mp4"]
)
def test_the_picture_is_upright_as_a_player_shows_it(name: str, tmp_path: Path) -> None:
    frame = first(name, tmp_path, jpeg_quality=100)
    truth = as_ffmpeg_shows(name, tmp_path)
    assert (frame.height, frame.width) == truth.shape[:2]
    assert mean_distance(picture_of(frame), truth) < 6
    assert frame.transform["rotation"] or frame.transform["is_mirrored"]


def test_the_thumbnail_is_upright_too(tmp_path: Path) -> None:
    assert thumbnail_of(first("turned_90.mp4", tmp_path)).shape == (320, 240, 3)


@pytest.mark.parametrize(("name", "size"), [("stretched.mp4", (427, 240)), ("squeezed.mp4", (320, 480))])
def test_pixels_are_square(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    frame = first(name, tmp_path)
    assert (frame.width, frame.height) == size
    assert picture_of(frame).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("name", "shape"), [("odd.mp4", (241, 321, 3)), ("odd_420.mpg", (181, 322, 3))])
def test_odd_sizes_are_kept(name: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    picture = picture_of(first(name, tmp_path))
    assert picture.shape == shape
    assert picture.std() > 20


@pytest.mark.parametrize("name", ["red_tagged.mp4", "red_hd_untagged.mp4"])
def test_colours_are_right_whether_tagged_or_known_from_the_size(name: str, tmp_path: Path) -> None:
    frame = first(name, tmp_path)
    centre = picture_of(frame)[100:110, 100:110].reshape(-1, 3).mean(axis=0)
    assert centre == pytest.approx(RED, abs=6)
    assert thumbnail_of(frame)[50:60, 50:60].reshape(-1, 3).mean(axis=0) == pytest.approx(RED, abs=6)
    assert frame.transform["colour"]["matrix"] == "bt709"


def test_what_was_assumed_about_colours_is_recorded(tmp_path: Path) -> None:
    assert "matrix" in first("red_hd_untagged.mp4", tmp_path).transform["colour"]["assumed"]
    assert "matrix" not in first("red_tagged.mp4", tmp_path).transform["colour"]["assumed"]


@pytest.mark.parametrize(
    ("name", "levels", "kind"), [("pq.mp4", PQ_LEVELS, "pq"), ("hlg.mp4", HLG_LEVELS, "hlg")]
)
def test_high_dynamic_range_is_tone_mapped(
    name: str, levels: tuple[float, ...], kind: str, tmp_path: Path
) -> None:
    frame = first(name, tmp_path)
    bars = [float(picture_of(frame)[20:40, 64 * i + 20 : 64 * i + 40].mean()) for i in range(len(levels))]
    assert bars == pytest.approx([180, 215, 238, 255], abs=3)
    assert frame.transform["tone_map"]["from"] == kind
    assert frame.transform["tone_map"]["reference_white_nits"] == 203.0
    assert thumbnail_of(frame).shape == (64, 256, 3)


def test_ten_bits_without_high_dynamic_range_are_not_tone_mapped(tmp_path: Path) -> None:
    frame = first("hevc_10bit.mp4", tmp_path)
    assert frame.transform["tone_map"] is None
    assert mean_distance(picture_of(frame), as_ffmpeg_shows("hevc_10bit.mp4", tmp_path)) < 6


def combing(picture: Image) -> float:
    """How much more neighbouring lines differ than lines two apart."""
    grey = picture.astype(float).mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() - 0.5 * np.abs(grey[2:] - grey[:-2]).mean())


def test_interlaced_video_is_deinterlaced_with_its_neighbours(tmp_path: Path) -> None:
    alone = extract_clip(clip("interlaced.mpg"), tmp_path, [20])
    assert alone.facts.details["is_interlaced"]
    assert alone.frames[0].transform["is_deinterlaced"]
    every = extract_clip(clip("interlaced.mpg"), tmp_path)
    assert every.digests[20] == alone.digests[20]
    path = tmp_path / "woven.rgb"
    ffmpeg("-i", str(clip("interlaced.mpg")), "-f", "rawvideo", "-pix_fmt", "rgb24", str(path))
    woven = np.fromfile(path, np.uint8).reshape(-1, 240, 320, 3)[20]
    assert combing(picture_of(every.frames[20])) < 0.7 * combing(woven)


def test_deinterlacing_equals_the_filter_over_the_whole_video(tmp_path: Path) -> None:
    frames = extract_clip(
        clip("interlaced.mpg"), tmp_path, [0, 7, 49], options=ExtractOptions(jpeg_quality=100)
    ).frames
    path = tmp_path / "bwdif.rgb"
    ffmpeg(
        "-i",
        str(clip("interlaced.mpg")),
        "-vf",
        "bwdif=mode=send_frame:deint=interlaced",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        str(path),
    )
    truth = np.fromfile(path, np.uint8).reshape(-1, 240, 320, 3)
    for frame in frames:
        assert mean_distance(picture_of(frame), truth[frame.decode_index]) < 6


def test_segments_give_the_same_bytes_as_one_pass(tmp_path: Path) -> None:
    whole = extract_clip(clip("hevc_open.mp4"), tmp_path)
    parts = extract_clip(clip("hevc_open.mp4"), tmp_path, max_cost_s=0.02)
    assert len(parts.reports) > 1
    assert parts.digests == whole.digests
    assert len(whole.digests) == 120


@pytest.mark.parametrize(
    "name", ["open_gop.mp4", "edit_list.mp4", "b_frames.avi", "interlaced.mpg", "pq.mp4", "turned_90.mp4"]
)
def test_frames_can_be_taken_again_with_the_same_bytes(name: str, tmp_path: Path) -> None:
    first_time = extract_clip(clip(name), tmp_path)
    some = sorted(first_time.digests)[1::3]
    again = dict(reextract_frames(clip(name), first_time.facts, first_time.index, some))
    assert again == {i: first_time.digests[i] for i in some}


def test_near_duplicates_are_skipped_and_a_revisit_is_kept(tmp_path: Path) -> None:
    targets = list(range(0, 120, 5))
    options = ExtractOptions(skip_near_duplicates=True)
    result = extract_clip(clip("two_scenes.mp4"), tmp_path, targets, options=options)
    kept = [f.decode_index for f in result.frames if f.skipped is None]
    assert kept == [0, 40, 80]
    skipped = result.frames[1]
    assert skipped.skipped == "near-duplicate of 0"
    assert skipped.transform["near_duplicate"]["bmx"] < 18
    assert skipped.image_path is None
    assert not skipped.image_sha256
    assert len(list(tmp_path.glob("*.thumb.jpg"))) == 3


def test_without_being_asked_nothing_is_skipped(tmp_path: Path) -> None:
    assert len(extract_clip(clip("two_scenes.mp4"), tmp_path, [0, 5, 10]).digests) == 3


def test_damage_in_the_middle_keeps_what_is_good_and_marks_the_rest(tmp_path: Path) -> None:
    good = extract_clip(clip("h264.mp4"), tmp_path)
    damaged = extract_clip(clip("corrupt.mp4"), tmp_path)
    assert damaged.reports[0].n_decode_errors > 0
    suspect = {f.decode_index for f in damaged.frames if f.is_suspect}
    gone = set(damaged.missing)
    assert gone
    assert suspect
    assert suspect | gone <= set(range(38, 61))
    clean = set(range(120)) - suspect - gone
    assert {i: damaged.digests[i] for i in clean} == {i: good.digests[i] for i in clean}
    assert "damaged" in damaged.missing[min(gone)]


def test_a_file_that_is_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    result = extract_clip(clip("truncated.mp4"), tmp_path)
    assert result.facts.details["is_truncated"]
    assert result.facts.details["n_declared_frames"] == 120
    assert 40 < len(result.digests) < 120
    good = extract_clip(clip("faststart.mp4"), tmp_path, sorted(result.digests)[:60])
    assert {i: result.digests[i] for i in good.digests} == good.digests


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    frame = first("cover.mp4", tmp_path)
    assert (frame.width, frame.height) == (320, 240)


def test_transparent_video_is_flattened(tmp_path: Path) -> None:
    assert picture_of(first("prores.mov", tmp_path)).shape == (120, 160, 3)


def test_frames_arrive_one_by_one_and_an_error_of_the_receiver_ends_the_child(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.mp4"))
    (segment,) = plan_segments(index, list(range(120)), facts=facts, max_cost_s=1e9)
    seen = []

    def stop_at_the_third(frame: ExtractedFrame) -> None:
        seen.append(frame.decode_index)
        if len(seen) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        extract_segment(clip("h264.mp4"), facts, index, segment, tmp_path, on_frame=stop_at_the_third)
    assert seen == [0, 1, 2]


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    few = extract_clip(clip("h264.mp4"), tmp_path, [0, 1, 2])
    many = extract_clip(clip("h264.mp4"), tmp_path)
    assert many.reports[0].peak_rss_bytes < few.reports[0].peak_rss_bytes + 16 * 1024**2
