"""COCO exports as the field's own loader sees them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.exporters import coco
from komadori.exporters.base import DatasetItem
from tests.support.records import make_annotation, make_info, make_items

# Its compiled part has an __array__ without the arguments of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def items(tmp_path: Path) -> list[DatasetItem]:
    (tmp_path / "store").mkdir()
    return make_items(tmp_path / "store")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def load(target: Path) -> COCO:
    return COCO(str(target / "annotations" / "instances_default.json"))


def test_pycocotools_decodes_the_very_masks_of_the_database(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    loaded = load(target)

    with_mask = [a for item in items for a in item.annotations if a.mask is not None]
    assert len(with_mask) == 3
    for annotation in with_mask:
        assert annotation.mask is not None
        decoded = loaded.annToMask(loaded.anns[annotation.id])
        assert np.array_equal(decoded, masks.decode(annotation.mask))


def test_a_proposal_carries_its_origin(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    loaded = load(target)

    assert loaded.anns[2] == {
        "id": 2,
        "image_id": 1000,
        "category_id": 2,
        "iscrowd": 0,
        "segmentation": items[0].annotations[1].mask.to_coco(),  # type: ignore[union-attr]
        "bbox": [5.0, 4.0, 59.0, 44.0],
        "area": 26 * 35 - 10 * 13 + 6,
        "score": 0.75,
        "status": "accepted",
        "source": "model",
        "revision": 1,
        "track_id": 3,
        "prompt": "犬",
        "run_id": 7,
        "model": "facebook/sam3",
        "model_revision": "0123abcd",
    }


def test_a_box_without_a_mask(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    loaded = load(target)

    assert loaded.anns[4] == {
        "id": 4,
        "image_id": 2000,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": [],
        "bbox": [1.5, 2.0, 10.0, 20.0],
        "area": 200.0,
        "status": "proposed",
        "source": "person",
        "revision": 1,
    }


def test_categories_images_and_videos(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    loaded = load(target)

    assert [(c["id"], c["name"]) for c in loaded.dataset["categories"]] == [(1, "cat"), (2, "dog")]
    assert loaded.getImgIds(catIds=[2]) == [1000]
    assert loaded.imgs[1025] == {
        "id": 1025,
        "file_name": "Clip-1-6b86b273_000025_12800.jpg",
        "width": 64,
        "height": 48,
        "video_id": 1,
        "decode_index": 25,
        "pts": 12800,
        "time_base": "1/12800",
        "pts_s": 1.0,
    }
    assert [video["name"] for video in loaded.dataset["videos"]] == ["Clip 1.mp4", "動画.mov"]
    assert loaded.getAnnIds(iscrowd=False) == [1, 2, 3, 4]


def test_classes_without_annotations_keep_their_ids(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(class_names=["dog", "ant", "cat", "dog"]), items)

    names = {c["id"]: c["name"] for c in load(target).dataset["categories"]}

    assert names == {1: "ant", 2: "cat", 3: "dog"}


def test_annotations_of_no_pixel_are_left_out_and_counted(items: list[DatasetItem], target: Path) -> None:
    frame = items[0].frame
    empty = masks.encode(np.zeros((frame.height, frame.width), np.bool_))
    annotations = [
        make_annotation(frame, 1, mask=empty),
        make_annotation(frame, 2, mask=None, bbox_xyxy=(5.0, 5.0, 5.0, 9.0)),
        make_annotation(frame, 3),
    ]

    summary = coco.create().write(target, make_info(), [replace(items[0], annotations=annotations)])

    manifest = json.loads((target / "manifest.json").read_text())
    assert summary.n_annotations == 1
    assert manifest["counts"]["annotations_left_out_without_area"] == 2
    assert list(load(target).anns) == [3]


def test_a_mask_of_another_size_than_its_frame_is_refused(items: list[DatasetItem], target: Path) -> None:
    turned = masks.encode(np.ones((64, 48), np.bool_))
    wrong = replace(items[0].annotations[0], mask=turned)

    with pytest.raises(InputError, match="a mask of 48 x 64, as its frame, got 64 x 48"):
        coco.create().write(target, make_info(), [replace(items[0], annotations=[wrong])])


def test_pictures_are_not_stored_twice(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    assert items[0].image_path.stat().st_nlink == 2


def test_every_line_of_the_arrays_is_one_record(items: list[DatasetItem], target: Path) -> None:
    coco.create().write(target, make_info(), items)

    lines = (target / "annotations" / "instances_default.json").read_text("ascii").splitlines()

    assert sum(line.startswith('{"area"') for line in lines) == 4
