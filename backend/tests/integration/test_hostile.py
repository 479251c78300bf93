"""Broken and malicious files, sent the way of good ones: a seeded part of what ``make hostile`` sends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from komadori.core.errors import MediaError
from komadori.core.types import JobState
from komadori.services import source_file
from tests.support.clips import clip
from tests.support.hostile import corpus
from tests.support.hostile.run import chosen
from tests.support.pipeline import Pipeline, pipeline, sampling

EVERY = 12
FAMILIES = list(dict.fromkeys(hostile.family for hostile in corpus()))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What became of every Nth file of each family."""
    out = tmp_path_factory.mktemp("hostile") / "verdicts.json"
    command = [sys.executable, "-m", "tests.support.hostile.run", "--every", str(EVERY), "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.exists(), done.stderr
    found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_file_does_no_harm(verdicts: list[dict[str, Any]], family: str) -> None:
    own = [verdict for verdict in verdicts if verdict["family"] == family]
    assert own
    assert {verdict["name"]: verdict["problems"] for verdict in own if verdict["problems"]} == {}


def test_all_chosen_files_were_sent(verdicts: list[dict[str, Any]]) -> None:
    assert len(verdicts) == len(chosen(EVERY)) >= len(FAMILIES)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [(hostile.family, hostile.name) for hostile in corpus()]
    assert len(set(names)) == len(names) >= 400


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path / "home") as made:
        yield made


def test_a_file_that_grows_while_it_is_read_is_not_read_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "growing.mp4"
    path.write_bytes(bytes(2**20))

    class Growing:
        n_blocks = 0

        def advance(self, n: int = 1) -> None:
            """Nothing is counted."""

        def check_cancelled(self) -> None:
            """Called after each MiB."""
            self.n_blocks += 1
            assert self.n_blocks < 50, "it is read on and on"
            with path.open("ab") as file:
                file.write(bytes(2**20))

    with pytest.raises(MediaError) as caught:
        source_file.sha256_of(path, Growing())
    assert caught.value.code == "file-still-written"


def test_what_is_no_video_is_refused_without_being_read_to_its_end(
    system: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr(source_file, "sha256_of", lambda path, _progress: hashed.append(path))
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:
        file.truncate(2**43)  # 8 TiB, of which nothing lies on the disk

    job = system.add(path, sampling("keyframes"))

    assert job.state == JobState.FAILED
    assert str(path) in str(job.error)
    assert hashed == []


def test_a_file_that_changes_between_probing_and_hashing_is_refused(
    system: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "changing.mp4"
    path.write_bytes(clip("one_frame.mp4").read_bytes())
    hashed = source_file.sha256_of

    def swapped(given: Path, progress: Any) -> str:
        path.write_bytes(clip("h264.mp4").read_bytes())
        return hashed(given, progress)

    monkeypatch.setattr(source_file, "sha256_of", swapped)
    job = system.add(path, sampling("keyframes"))

    assert job.state == JobState.FAILED
    assert "written to while it was being read" in str(job.error)
