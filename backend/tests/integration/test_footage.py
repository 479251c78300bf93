"""Generated videos, taken apart by the real media layer: frames, times and turns are those of the truth."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from komadori.core.errors import InputError, StorageError
from komadori.core.types import Image
from komadori.demo_world import sprites
from komadori.demo_world.footage import random_lens, truth_path, write_footage
from komadori.demo_world.motion import Film
from komadori.demo_world.scene import Picture, draw
from komadori.demo_world.truth import Truth, read_truth
from komadori.media.base import ExtractOptions
from komadori.media.encode import Encoding, encode_video
from komadori.media.probe import probe_video
from tests.support.extraction import extract_clip, picture_of

SEED = 11
SHOTS = (("cat", "bus", "ring"),)
FINE = Encoding(crf=4)


def film(path: Path, size_wh: tuple[int, int], **options: Any) -> Truth:
    """Write a small clear video."""
    defaults: dict[str, Any] = {"n_frames": 5, "shots": SHOTS, "is_spoilt": False, "encoding": FINE}
    return write_footage(path, SEED, width=size_wh[0], height=size_wh[1], **(defaults | options))


def drawn(truth: Truth, pts: int, times: Sequence[int]) -> Picture:
    """What the frame at ``pts`` is to show, drawn anew."""
    frame = truth.frames[0]
    world = Film(SEED, frame.width, frame.height, shots=SHOTS, duration_s=1.0)
    return draw(world.scene_at(float((pts - times[0]) * truth.time_base)))


def decoded(path: Path, out: Path) -> dict[int, Image]:
    """Every frame by its pts, upright, as Komadori takes it."""
    out.mkdir()
    clip = extract_clip(path, out, options=ExtractOptions(jpeg_quality=100))
    return {frame.pts: picture_of(frame) for frame in clip.frames}


def difference(a: Image, b: Image) -> float:
    """Of the brightness, on average: colours are stored at half the resolution."""
    assert a.shape == b.shape
    return float(np.abs((a.astype(float) - b) @ (0.2126, 0.7152, 0.0722)).mean())


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(
    "size_wh", [(160, 90), (90, 160), (96, 96), (161, 121)], ids=["landscape", "portrait", "square", "odd"]
)
def test_frames_come_out_upright_as_they_were_drawn(
    size_wh: tuple[int, int], rotation: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    truth = film(path, size_wh, rotation=rotation)
    facts, _ = probe_video(path)
    frames = decoded(path, tmp_path / "out")
    times = [frame.pts for frame in truth.frames]

    assert (facts.rotation, facts.width, facts.height) == (rotation, *size_wh)
    assert list(frames) == times
    for true in truth.frames:
        picture = drawn(truth, true.pts, times)
        off_by_one = [np.roll(picture.image, shift, axis) for axis in (0, 1) for shift in (-1, 1)]
        right = difference(frames[true.pts], picture.image)
        assert right < 2.5
        assert right < 0.5 * min(difference(frames[true.pts], other) for other in off_by_one)
        assert np.array_equal(true.masks, picture.masks[picture.masks.any((1, 2))])


def test_pixels_are_stored_turned(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", (160, 90), rotation=90)
    facts, _ = probe_video(tmp_path / "a.mp4")
    assert (facts.details["coded_width"], facts.details["coded_height"]) == (90, 160)


@pytest.mark.parametrize(("is_variable", "start_s"), [(False, 0.0), (False, 2.5), (True, 0.0), (True, 1.2)])
def test_times_are_those_of_the_truth(is_variable: bool, start_s: float, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    truth = film(path, (160, 90), n_frames=30, is_variable=is_variable, start_s=start_s)
    facts, index = probe_video(path)
    times = [frame.pts for frame in truth.frames]

    assert facts.time_base == truth.time_base == Fraction(1, 90_000)
    assert sorted(index.pts.tolist()) == times
    assert times[0] == round(start_s * 90_000)
    assert facts.is_variable_frame_rate == is_variable
    assert len({after - before for before, after in pairwise(times)}) == (4 if is_variable else 1)


def test_at_index_over_rate_a_variable_video_shows_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    truth = film(path, (160, 90), n_frames=12, is_variable=True)
    frames = decoded(path, tmp_path / "out")
    times = [frame.pts for frame in truth.frames]
    last = truth.frames[-1]

    assert abs(truth.pts_s(last) - 11 / 12) > 0.25
    right = difference(frames[last.pts], drawn(truth, last.pts, times).image)
    wrong = difference(frames[last.pts], drawn(truth, round(11 / 12 * 90_000), times).image)
    assert right < 2.5
    assert wrong > 2 * right


def test_frames_are_stored_out_of_order_when_they_refer_to_later_ones(tmp_path: Path) -> None:
    film(tmp_path / "b.mp4", (160, 90), n_frames=12, encoding=Encoding(crf=20, n_b_frames=3))
    film(tmp_path / "p.mp4", (160, 90), n_frames=12, encoding=Encoding(crf=20, n_b_frames=0))
    with_b, without = (probe_video(tmp_path / name)[1].pts.tolist() for name in ("b.mp4", "p.mp4"))
    assert with_b != sorted(with_b)
    assert without == sorted(without) == sorted(with_b)


def test_one_frame_is_a_video_too(tmp_path: Path) -> None:
    truth = film(tmp_path / "a.mp4", (161, 91), n_frames=1, start_s=0.5)
    frames = decoded(tmp_path / "a.mp4", tmp_path / "out")
    assert list(frames) == [45_000]
    assert frames[45_000].shape == (91, 161, 3)
    assert truth.frames[0].names


def test_the_truth_lies_beside_the_video(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.mp4"
    truth = film(path, (160, 90))
    read = read_truth(tmp_path / "made" / "a.truth.json")
    assert truth_path(path) == tmp_path / "made" / "a.truth.json"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.mp4", "a.truth.json"]
    assert [frame.pts for frame in read.frames] == [frame.pts for frame in truth.frames]
    assert np.array_equal(read.frames[2].masks, truth.frames[2].masks)
    assert np.array_equal(read.frames[2].boxes_xyxy, truth.frames[2].boxes_xyxy)


def test_a_seed_decides_every_byte(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_footage(tmp_path / f"{name}.mp4", seed, width=96, height=64, n_frames=4)
    a, b, c = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert a == b != c
    assert (tmp_path / "a.truth.json").read_bytes() == (tmp_path / "b.truth.json").read_bytes()


def test_the_memory_that_an_encoder_finds_changes_no_byte(tmp_path: Path) -> None:
    world, lens = Film(1, 96, 64, shots=SHOTS, duration_s=1.0), random_lens(1)
    pictures = [(7500 * n, lens.expose(draw(world.scene_at(n / 12)).image, n)) for n in range(3)]
    sizes = np.random.default_rng(SEED).integers(1_000, 400_000, (60, 20))
    written = set()
    for row in sizes.tolist():
        used = [np.full(size, size % 255, np.uint8) for size in row]
        del used  # given back to the heap, where the encoder finds it
        encode_video(tmp_path / "a.mp4", pictures, (96, 64))
        written.add((tmp_path / "a.mp4").read_bytes())
    assert len(written) == 1


def test_a_camera_leaves_grain_that_is_another_in_each_frame(tmp_path: Path) -> None:
    film(tmp_path / "clear.mp4", (160, 90), n_frames=3)
    film(tmp_path / "spoilt.mp4", (160, 90), n_frames=3, is_spoilt=True)
    clear, spoilt = (
        list(decoded(tmp_path / f"{name}.mp4", tmp_path / name).values()) for name in ("clear", "spoilt")
    )
    residues = [a.astype(float) - b for a, b in zip(spoilt, clear, strict=True)]
    residues = [residue - residue.mean() for residue in residues]
    assert np.corrcoef(residues[0].ravel(), residues[1].ravel())[0, 1] < 0.98
    for a, b in zip(spoilt, clear, strict=True):
        assert difference(a, b) > 1
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_worse_compression_is_smaller(tmp_path: Path) -> None:
    for crf in (10, 40):
        film(tmp_path / f"{crf}.mp4", (160, 90), encoding=Encoding(crf=crf))
    assert (tmp_path / "40.mp4").stat().st_size < (tmp_path / "10.mp4").stat().st_size / 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"rotation": 45}, "invalid-rotation"),
        ({"n_frames": 0}, "invalid-footage"),
        ({"fps": Fraction(0)}, "invalid-footage"),
        ({"start_s": -1.0}, "invalid-footage"),
        ({"shots": (("dragon",),)}, "unknown-kind"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    options: dict[str, Any], code: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        film(tmp_path / "a.mp4", (160, 90), **options)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size_wh", [(15, 90), (160, 5000)])
def test_sizes_without_sense_are_refused(size_wh: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"got {size_wh[0]} x {size_wh[1]}"):
        film(tmp_path / "a.mp4", size_wh)


@pytest.mark.parametrize("fields", [{"crf": 52}, {"n_b_frames": 17}, {"keyframe_every": 0}])
def test_an_encoding_that_x264_does_not_have_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(InputError) as caught:
        Encoding(**fields)
    assert caught.value.code == "invalid-encoding"


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    pictures = [(0, np.zeros((64, 96, 3), np.uint8)), (7500, np.zeros((96, 64, 3), np.uint8))]
    with pytest.raises(InputError, match=r"Expected pictures \(64, 96, 3\), got one \(96, 64, 3\)"):
        encode_video(tmp_path / "a.mp4", pictures, (96, 64))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        film(tmp_path / "file" / "a.mp4", (160, 90))


def test_a_failure_half_way_leaves_the_former_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    film(path, (160, 90))
    before = path.read_bytes()
    monkeypatch.setattr(sprites, "_bodies", dict)
    sprites.sprite.cache_clear()
    with pytest.raises(KeyError):
        film(path, (160, 90), n_frames=3)
    sprites.sprite.cache_clear()
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mp4", "a.truth.json"]
