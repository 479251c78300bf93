"""YOLO exports as their files say it: folders, numbers, polygons that lose next to nothing, loud refusals."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from pycocotools import mask as coco_masks

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Mask
from komadori.core.types import JsonDict
from komadori.exporters import _polygons, yolo_detect, yolo_segment
from komadori.exporters.base import DatasetItem
from tests.support.records import make_annotation, make_info, make_item, make_items, make_video

# The compiled part of pycocotools has an __array__ without the arguments of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FIRST, SECOND, THIRD = (
    "Clip-1-6b86b273_000000_0",
    "Clip-1-6b86b273_000025_12800",
    "video-d4735e3a_000000_0",
)


@pytest.fixture
def items(tmp_path: Path) -> list[DatasetItem]:
    (tmp_path / "store").mkdir()
    return make_items(tmp_path / "store")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def one(tmp_path: Path, *drawn: Mask) -> list[DatasetItem]:
    """One frame with these masks; the ids of the annotations count from 1."""
    height, width = drawn[0].shape
    video = make_video(1, width=width, height=height)
    frame = make_item(tmp_path, video, 0).frame
    annotations = [
        make_annotation(frame, number, mask=masks.encode(mask), bbox_xyxy=masks.encode(mask).bbox_xyxy)
        for number, mask in enumerate(drawn, start=1)
    ]
    return [make_item(tmp_path, video, 0, *annotations)]


def rows(target: Path, stem: str) -> list[list[float]]:
    lines = (target / "labels" / "train" / f"{stem}.txt").read_text("ascii").splitlines()
    return [[float(word) for word in line.split()] for line in lines]


def polygons(target: Path) -> list[JsonDict]:
    return [json.loads(line) for line in (target / "polygons.jsonl").read_text("ascii").splitlines()]


def drawn_again(row: Sequence[float], shape: tuple[int, int]) -> Mask:
    """What pycocotools makes of a row of a label file."""
    height, width = shape
    corners = np.array(row[1:]).reshape(-1, 2) * (width, height)
    (rle,) = coco_masks.frPyObjects([corners.ravel().tolist()], height, width)
    mask: Mask = coco_masks.decode(rle).astype(bool)
    return mask


def iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def noise(height: int, width: int) -> Mask:
    return np.random.default_rng(0).random((height, width)) < 0.5


def test_boxes_are_shares_of_the_picture(items: list[DatasetItem], target: Path) -> None:
    yolo_detect.create().write(target, make_info(), items)

    # Around the masks: 5, 4 to 64, 48 of 64 x 48; and the box that was drawn, 1.5, 2 to 11.5, 22 of 40 x 56.
    assert rows(target, FIRST) == [
        [0, 0.539062, 0.541667, 0.921875, 0.916667],
        [1, 0.539062, 0.541667, 0.921875, 0.916667],
    ]
    assert rows(target, THIRD)[1] == [0, 0.1625, 0.214286, 0.25, 0.357143]


def test_a_picture_without_objects_has_an_empty_label_file(items: list[DatasetItem], target: Path) -> None:
    yolo_detect.create().write(target, make_info(), items)

    assert (target / "labels" / "train" / f"{SECOND}.txt").read_bytes() == b""
    assert sorted(p.stem for p in (target / "labels" / "train").iterdir()) == sorted(
        p.stem for p in (target / "images" / "train").iterdir()
    )


@pytest.mark.parametrize("names", [["dog", "cat"], ["null", 'a "b" \\', "犬: 🐕", "- 1", "x\n"], []])
def test_the_yaml_names_the_classes_whatever_they_are(names: list[str], target: Path) -> None:
    yolo_detect.create().write(target, make_info(class_names=names), [])

    assert yaml.safe_load((target / "dataset.yaml").read_bytes()) == {
        "train": "images/train",
        "val": "images/train",
        "names": dict(enumerate(sorted(names))),
    }


def test_a_box_that_reaches_over_the_edge_is_cut_there(tmp_path: Path, target: Path) -> None:
    item = make_item(tmp_path, make_video(1), 0)
    over = make_annotation(item.frame, 1, mask=None, bbox_xyxy=(-4.0, 24.0, 16.0, 60.0))

    yolo_detect.create().write(target, make_info(), [replace(item, annotations=[over])])

    assert rows(target, FIRST) == [[0, 0.125, 0.75, 0.25, 0.5]]


def test_a_polygon_has_the_hole_and_the_second_part(items: list[DatasetItem], target: Path) -> None:
    yolo_segment.create().write(target, make_info(), items[:2])

    assert polygons(target)[0] == {
        "annotation_id": 1,
        "file_name": f"{FIRST}.jpg",
        "line": 1,
        "class_name": "cat",
        "iou": 1.0,
        "corners": 16,
        "parts": 2,
        "holes": 1,
    }
    stored = items[0].annotations[0].mask
    assert stored is not None
    np.testing.assert_array_equal(drawn_again(rows(target, FIRST)[0], stored.size_hw), masks.decode(stored))


@pytest.mark.parametrize("radius", [1, 2, 5, 20, 100, 500])
def test_a_curved_outline_gets_few_corners_and_stays_near(tmp_path: Path, target: Path, radius: int) -> None:
    ys, xs = np.mgrid[: 2 * radius + 9, : 3 * radius + 9]
    disc = np.hypot(ys - radius - 4, xs - radius - 4) <= radius

    yolo_segment.create().write(target, make_info(), one(tmp_path, disc))

    (record,) = polygons(target)
    assert iou(drawn_again(rows(target, FIRST)[0], disc.shape), disc) == pytest.approx(
        record["iou"], abs=0.02
    )
    assert record["iou"] >= 0.98
    assert record["corners"] <= 100


def test_an_edge_of_the_picture_is_reached_exactly(tmp_path: Path, target: Path) -> None:
    full = np.ones((37, 53), np.bool_)

    yolo_segment.create().write(target, make_info(), one(tmp_path, full))

    assert sorted(zip(*[iter(rows(target, FIRST)[0][1:])] * 2, strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_a_mask_of_too_many_specks_is_refused_and_named(tmp_path: Path, target: Path) -> None:
    block = np.zeros((120, 120), np.bool_)
    block[50:90, 60:120] = True
    specks = [noise(120, 120), noise(120, 120).T] * 3

    with pytest.raises(InputError) as caught:
        yolo_segment.create().write(target, make_info(), one(tmp_path, block, *specks))

    assert caught.value.code == "polygon-too-far"
    assert "got 6 below: annotations 2, 3, 4, 5, 6 and 1 more; the worst is at 0.00" in caught.value.message
    assert "coco" in caught.value.hint
    assert not (target / "manifest.json").exists()


def test_a_stricter_tolerance_refuses_more(tmp_path: Path, target: Path) -> None:
    ys, xs = np.mgrid[:100, :100]
    disc = np.hypot(ys - 50, xs - 50) < 40

    with pytest.raises(InputError, match=r"IoU of at least 0\.9999 .* annotations 1; the worst is at 0\.9"):
        yolo_segment.create(least_iou=0.9999).write(target, make_info(), one(tmp_path, disc))


def test_many_corners_are_made_fewer_before_a_mask_is_refused() -> None:
    comb = np.zeros((400, 2400), np.bool_)
    comb[150:300] = True
    comb[147:150, np.arange(2400) % 4 < 2] = True  # 600 teeth that are higher than 2 px

    found = _polygons.fit(masks.encode(comb), lambda corners: corners, lambda corners: corners)

    assert found.corners is not None
    assert len(found.corners) <= _polygons.MOST_CORNERS
    assert found.iou > yolo_segment.LEAST_IOU


def test_what_covers_no_pixel_is_left_out_and_counted(tmp_path: Path, target: Path) -> None:
    empty, full = np.zeros((48, 64), np.bool_), np.ones((48, 64), np.bool_)

    summary = yolo_segment.create().write(target, make_info(), one(tmp_path, empty, full))

    counts = json.loads((target / "manifest.json").read_text())["counts"]
    assert (summary.n_annotations, counts["annotations_left_out_without_area"]) == (1, 1)
    assert [record["annotation_id"] for record in polygons(target)] == [2]


def test_a_mask_of_another_size_than_its_frame_is_refused(items: list[DatasetItem], target: Path) -> None:
    turned = replace(items[0].annotations[0], mask=masks.encode(np.ones((64, 48), np.bool_)))

    with pytest.raises(InputError, match="a mask of 48 x 64, as its frame, got 64 x 48"):
        yolo_segment.create().write(target, make_info(), [replace(items[0], annotations=[turned])])
