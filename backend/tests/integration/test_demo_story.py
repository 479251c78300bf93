"""`komadori demo` as a user runs it, with the models that come in the package."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from komadori.cli.demo import clips
from komadori.core.types import JsonDict
from komadori.demo_world.truth import read_truth
from tests.support.running_up import KOMADORI, environment, processes_of

# The floors are far below what the packaged models reach (their cards say how much), and far above
# chance: a shot fills a quarter of the video, so that the first hit would be right in a quarter of all cases.
LEAST_FIRST_RIGHT = 0.5
LEAST_RECALL = 0.5
LEAST_PRECISION = 0.5
LEAST_MEAN_IOU = 0.7


@pytest.mark.slow
def test_the_demo_goes_the_whole_way_and_leaves_what_it_promises(tmp_path: Path) -> None:
    """Settings of the user's own Komadori are there, and nothing of it is touched."""
    folder = tmp_path / "out"
    users = {"KOMADORI_HOME": str(tmp_path / "users"), "KOMADORI_TOKEN": "secret", "KOMADORI_OFFLINE": "true"}
    (tmp_path / ".env").write_text(f"KOMADORI_DATABASE_URL=sqlite:///{tmp_path}/users.db\n")

    done = _demo(tmp_path, users)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not (tmp_path / "users").exists()
    assert not (tmp_path / "users.db").exists()
    assert processes_of(folder / "home") == []

    facts = json.loads((folder / "summary.json").read_text(), parse_constant=_refuse)
    _check_story(done.stdout, tmp_path)
    _check_facts(facts)
    _check_quality(facts["quality"])
    _check_export(folder, facts)
    _check_pictures(folder)


@pytest.mark.slow
def test_models_that_find_nothing_are_told_of_and_end_nothing(tmp_path: Path) -> None:
    """Fakes that are set on this machine, with a threshold that no proposal passes, and another video."""
    folder = tmp_path / "out"
    fakes = {"KOMADORI_EMBEDDER": "fake", "KOMADORI_SEGMENTER": "fake", "KOMADORI_SCORE_THRESHOLD": "1"}

    done = _demo(tmp_path, fakes, "--models", "configured", "--seed", "3")

    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert f"No {clips.ABSENT}: right." in words
    assert "Nothing was accepted, so there is nothing to export." in words
    assert "coco/" not in words
    facts = json.loads((folder / "summary.json").read_text(), parse_constant=_refuse)
    assert facts["seed"] == read_truth(folder / "synthetic.truth.json").seed == 3
    assert facts["quality"]["masks"]["recall"] == 0.0
    assert facts["quality"]["masks"]["mean_iou"] is None
    assert facts["verification"] == {"frames": 44, "agree": 44, "issues": []}
    _check_pictures(folder)


def _demo(tmp_path: Path, settings: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KOMADORI, "demo", "--output", str(tmp_path / "out"), *options],
        env=environment(**settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def _check_story(told: str, tmp_path: Path) -> None:
    lines = told.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert [line[:3] for line in lines if line[1:3] == "/9"] == [f"{n}/9" for n in range(1, 10)]
    words = " ".join(told.split())
    for expected in (
        "what they find here means nothing",
        '"doughnut": ',
        '"ネコ" (cat): ',
        "mean mask IoU 0.",
        "Mean offset ",
        "44 of 44 frames agree with the ledger",
    ):
        assert expected in words


def _check_facts(facts: JsonDict) -> None:
    assert {name: video["frames"] for name, video in facts["videos"].items()} == {
        "synthetic": 24,
        "real": 20,
    }
    assert facts["review"]["accepted"] == facts["export"]["n_annotations"] > 0
    assert facts["review"]["open"] == sum(facts["proposals"]["real"].values())
    assert facts["verification"] == {"frames": 44, "agree": 44, "issues": []}
    assert set(facts["timings_s"]) == {
        *("start", "add", "search_text", "search_image", "annotate", "review", "export", "verify", "stop")
    }


def _check_quality(measured: JsonDict) -> None:
    for language in ("english", "japanese"):
        assert measured[f"search_{language}"]["searches"] >= 12
        assert measured[f"search_{language}"]["recall_at_1"] >= LEAST_FIRST_RIGHT
    masks = measured["masks"]
    assert masks["things"] >= 30
    assert masks["recall"] >= LEAST_RECALL
    assert masks["precision"] >= LEAST_PRECISION
    assert masks["mean_iou"] >= LEAST_MEAN_IOU
    assert set(masks["proposals_of_absent_kinds"]) == {clips.ABSENT}


def _check_export(folder: Path, facts: JsonDict) -> None:
    coco = json.loads((folder / "coco/annotations/instances_default.json").read_text())
    assert len(coco["annotations"]) == facts["export"]["n_annotations"]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert {names[one["category_id"]] for one in coco["annotations"]} <= set(clips.PROMPTS)
    truth = read_truth(folder / "synthetic.truth.json")
    assert truth.seed == facts["seed"]
    assert {name for frame in truth.frames for name in frame.names} >= set(clips.PROMPTS)


def _check_pictures(folder: Path) -> None:
    overlays = sorted((folder / "overlays").glob("*.png"))
    assert [path.name.split("_")[0] for path in overlays] == ["real"] * 4 + ["synthetic"] * 12
    for picture in (*overlays, folder / "search-hits.png", folder / "masks.png"):
        with Pictures.open(picture) as opened:
            assert opened.width >= 640
            assert opened.height >= 272


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")
