"""The truth of a generated video as a file: exact, and as the field's own loader reads it."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from scipy.ndimage import label

from komadori.core.errors import InputError, NotFoundError
from komadori.demo_world.kinds import kinds
from komadori.demo_world.scene import Bar, Picture, Scene, Thing, draw
from komadori.demo_world.truth import TrueFrame, Truth, read_truth, true_frame, write_truth

GROUND = np.full((90, 160, 3), 120, np.uint8)
CAT = Thing("cat", 7, 60.0, 45.0, 50.0)
RING = Thing("ring", 3, 120.0, 45.0, 60.0)
BAR = Bar(60.0, 45.0, 8.0, 0.0, (0.2, 0.2, 0.2))
OUTSIDE = Thing("dog", 9, -200.0, 45.0, 50.0)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    scenes = [(OUTSIDE, RING, CAT, BAR), (CAT,), ()]
    return [draw(Scene(160, 90, GROUND, items)) for items in scenes]


@pytest.fixture(scope="module")
def truth(pictures: list[Picture]) -> Truth:
    times = (90, 130, 300)
    frames = [true_frame(k, times[k], picture) for k, picture in enumerate(pictures)]
    return Truth(seed=5, rotation=90, time_base=Fraction(1, 90), frames=frames)


@pytest.fixture(scope="module")
def path(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "a.truth.json"
    write_truth(truth, path)
    return path


def test_what_is_read_back_is_what_was_drawn(path: Path, pictures: list[Picture]) -> None:
    read = read_truth(path)
    assert (read.seed, read.rotation, read.time_base) == (5, 90, Fraction(1, 90))
    assert [frame.pts for frame in read.frames] == [90, 130, 300]
    assert [list(frame.names) for frame in read.frames] == [["ring", "cat"], ["cat"], []]
    assert [frame.track_ids.tolist() for frame in read.frames] == [[3, 7], [7], []]
    first = read.at(90)
    assert np.array_equal(first.masks, pictures[0].masks[1:])
    assert np.array_equal(first.visibility, pictures[0].visible[1:])
    assert read.frames[2].masks.shape == (0, 90, 160)
    assert read.frames[2].boxes_xyxy.shape == (0, 4)


def test_boxes_are_tight(path: Path) -> None:
    frame = read_truth(path).at(90)
    for mask, box in zip(frame.masks, frame.boxes_xyxy, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_holes_and_parts_survive(path: Path) -> None:
    ring, cat = read_truth(path).at(90).masks
    assert label(cat)[1] == 2  # the bar in front splits it
    assert label(~ring)[1] == 2  # around it, and through it


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_same_masks(path: Path, pictures: list[Picture]) -> None:
    coco = COCO(str(path))
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [coco.cats[one["category_id"]]["name"] for one in annotations] == ["ring", "cat"]
    for one, mask in zip(annotations, pictures[0].masks[1:], strict=True):
        assert np.array_equal(coco.annToMask(one).astype(bool), mask)
        assert one["area"] == mask.sum()
        assert one["bbox"][2:] == [np.ptp(np.flatnonzero(mask.any(axis))) + 1 for axis in (0, 1)]


def test_the_file_says_when_each_frame_is_shown_and_names_all_kinds(path: Path) -> None:
    coco = json.loads(path.read_text(encoding="utf-8"))
    assert coco["images"][1] == {
        "id": 2,
        "file_name": "000001.jpg",
        "width": 160,
        "height": 90,
        "frame_index": 1,
        "pts": 130,
        "time_base": [1, 90],
        "pts_s": 130 / 90,
    }
    assert [one["name"] for one in coco["categories"]] == [kind.name for kind in kinds()]
    assert [one["id"] for one in coco["annotations"]] == [1, 2, 3]
    assert coco["info"]["seed"] == 5
    assert coco["info"]["rotation"] == 90


def test_the_same_truth_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_truth(read_truth(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_time_that_is_no_frames_names_the_nearest(truth: Truth) -> None:
    with pytest.raises(NotFoundError, match="got 135; the nearest is 130"):
        truth.at(135)
    assert truth.pts_s(truth.at(90)) == 1.0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"info": {}, "images": [{}], "annotations": [], "categories": []}']
)
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"other\.json") as caught:
        read_truth(path)
    assert caught.value.code == "invalid-truth"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.json"):
        read_truth(tmp_path / "none.json")


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="as many names"):
        TrueFrame(0, 0, 4, 4, ["cat"], np.zeros(0, np.int64), np.zeros(0, np.float32), [])
