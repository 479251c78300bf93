"""``komadori demo-video``: a video and its truth, or a remedy."""

import sys
from pathlib import Path

import pytest

from komadori.cli.main import main
from komadori.demo_world import sprites
from komadori.demo_world.truth import read_truth
from komadori.media.probe import probe_video

SHORT = ["--seconds", "0.25", "--size", "96x64"]


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_writes_a_video_and_its_truth(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--seed", "4", "--rotation", "90", "--things", "3", "--shots", "2"]
    assert main(["demo-video", "a.mp4", *SHORT, *words]) == 0

    truth = read_truth(tmp_path / "a.truth.json")
    facts, _ = probe_video(tmp_path / "a.mp4")
    said = capsys.readouterr().out
    assert (facts.width, facts.height, facts.rotation, facts.n_frames) == (96, 64, 90, 3)
    assert (truth.seed, truth.rotation, len(truth.frames)) == (4, 90, 3)
    assert {track for frame in truth.frames for track in frame.track_ids} <= set(range(1, 7))
    assert said.startswith("a.mp4: 3 frames of 96x64 with ")
    assert all(name in said for frame in truth.frames for name in frame.names)
    assert "a.truth.json: what they truly show, as COCO\n" in said


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["demo-video", f"{name}.mp4", *SHORT, "--seed", seed]) == 0
    a, b, c = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("taken", ["a.mp4", "a.truth.json"])
def test_what_is_there_is_overwritten_only_by_force(
    taken: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / taken).write_text("mine")
    assert main(["demo-video", "a.mp4", *SHORT]) == 1
    assert (tmp_path / taken).read_text() == "mine"
    err = capsys.readouterr().err
    assert err.startswith(f"file-exists: Expected to write new files, but {taken} is there already.")
    assert "--force" in err

    assert main(["demo-video", "a.mp4", *SHORT, "--force"]) == 0
    assert len(read_truth(tmp_path / "a.truth.json").frames) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "96"],
        ["--size", "0x64"],
        ["--size", "96x64x3"],
        ["--rotation", "45"],
        ["--seconds", "0"],
        ["--things", "-1"],
        ["--seed", "-1"],
    ],
)
def test_misuse_exits_2_and_writes_nothing(words: list[str], tmp_path: Path) -> None:
    assert main(["demo-video", "a.mp4", *words]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_size_without_sense_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["demo-video", "a.mp4", "--size", "8x3000"]) == 1
    assert "invalid-footage: Expected frames of 16 to 4096 pixels a side, got 8 x 3000." in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_without_the_encoder_the_remedy_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for loaded in ("komadori.demo_world.footage", "komadori.media.encode"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    assert main(["demo-video", "a.mp4", *SHORT]) == 1
    err = capsys.readouterr().err
    assert err.startswith("missing-dependency: Expected the packages that draw and encode videos")
    assert "komadori[cpu-worker,demo]" in err
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_that_draws_the_remedy_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    sprites.sprite.cache_clear()
    assert main(["demo-video", "a.mp4", *SHORT]) == 1
    err = capsys.readouterr().err
    assert err.startswith("no-sprites: ")
    assert "pip install" in err
    assert list(tmp_path.iterdir()) == []
