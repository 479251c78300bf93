"""What every registered dataset format does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pictures

from komadori.core import disk, masks, registry
from komadori.core.errors import ConflictError, InputError, StorageError
from komadori.exporters.base import DatasetItem, Exporter
from tests.support.records import RUN, make_info, make_item, make_items, make_mask, make_video


@pytest.fixture(params=registry.names("exporters"))
def exporter(request: pytest.FixtureRequest) -> Exporter:
    made: Exporter = registry.factory("exporters", request.param)()
    return made


@pytest.fixture
def items(exporter: Exporter, tmp_path: Path) -> list[DatasetItem]:
    (tmp_path / "store").mkdir()
    made = make_items(tmp_path / "store")
    return [with_masks(item) for item in made] if exporter.about.needs_masks else made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def with_masks(item: DatasetItem) -> DatasetItem:
    """The same annotations, those without a mask with one."""
    mask = masks.encode(make_mask(item.frame))
    return replace(item, annotations=[replace(a, mask=a.mask or mask) for a in item.annotations])


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a dataset by their file names, whichever folder of ``images`` they are in."""
    return {path.name: path for path in (folder / "images").rglob("*.jpg")}


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_summary_names_what_is_there(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    summary = exporter.write(target, make_info(), items)

    assert summary.n_images == 3
    assert summary.n_annotations == 4
    assert sorted(summary.files) == sorted(bytes_of(target))


def test_the_same_input_gives_the_same_bytes(
    exporter: Exporter, items: list[DatasetItem], target: Path
) -> None:
    exporter.write(target / "first", make_info(), items)
    exporter.write(target / "second", make_info(), iter(items))

    assert bytes_of(target / "first") == bytes_of(target / "second")


def test_items_are_read_once_and_not_kept(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    written: list[int] = []

    def one_by_one() -> Iterator[DatasetItem]:
        for item in items:
            written.append(len(pictures(target)))
            yield item

    exporter.write(target, make_info(), one_by_one())

    assert written == [0, 1, 2]


def test_each_image_is_read_back(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    exporter.write(target, make_info(), items)

    read = list(exporter.read(target))

    assert [len(annotations) for _, annotations in read] == [2, 0, 2]
    assert [name for name, _ in read] == [
        "Clip-1-6b86b273_000000_0.jpg",
        "Clip-1-6b86b273_000025_12800.jpg",
        "video-d4735e3a_000000_0.jpg",
    ]
    for (name, _), item in zip(read, items, strict=True):
        path = pictures(target)[name]
        assert path.read_bytes() == item.image_path.read_bytes()
        with Pictures.open(path) as picture:
            assert picture.size == (item.frame.width, item.frame.height)


def test_the_ledger_says_where_each_picture_is_from(
    exporter: Exporter, items: list[DatasetItem], target: Path
) -> None:
    exporter.write(target, make_info(), items)

    lines = [json.loads(line) for line in (target / "ledger.jsonl").read_text().splitlines()]

    assert len(lines) == 3
    assert lines[1] == {
        "frame_id": 1025,
        "file_name": "Clip-1-6b86b273_000025_12800.jpg",
        "video_sha256": items[1].video.sha256,
        "video_name": "Clip 1.mp4",
        "stream_index": 0,
        "decode_index": 25,
        "pts": 12800,
        "time_base": "1/12800",
        "pts_s": 1.0,
        "rotation": 90,
        "transform": {"rotation": 90, "colour": "bt709 to srgb", "encoder": {"quality": 92}},
        "width": 64,
        "height": 48,
        "is_key": False,
        "is_suspect": False,
        "image_sha256": disk.sha256_of(items[1].image_path),
    }


def test_the_manifest_vouches_for_every_file(
    exporter: Exporter, items: list[DatasetItem], target: Path
) -> None:
    exporter.write(target, make_info(), items)

    manifest = json.loads((target / "manifest.json").read_text())

    assert manifest["project"] == "pets"
    assert manifest["status"] == "all"
    assert manifest["runs"] == {"7": RUN}
    assert manifest["counts"] == {
        "videos": 2,
        "images": 3,
        "annotations": 4,
        "annotations_by_class": {"cat": 3, "dog": 1},
        "annotations_left_out_without_area": 0,
    }
    assert [video["sha256"] for video in manifest["videos"]] == [items[0].video.sha256, items[2].video.sha256]
    assert set(manifest["files"]) == set(bytes_of(target)) - {"manifest.json"}
    for name, sha256 in manifest["files"].items():
        assert disk.sha256_of(target / name) == sha256


def test_nothing_says_where_the_video_lay(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    exporter.write(target, make_info(), items)

    assert not [name for name, data in bytes_of(target).items() if b"private" in data]


def test_an_empty_dataset_is_one_too(exporter: Exporter, target: Path) -> None:
    summary = exporter.write(target, make_info(class_names=[], runs={}), [])

    assert (summary.n_images, summary.n_annotations) == (0, 0)
    assert list(exporter.read(target)) == []


def test_it_says_what_it_is(exporter: Exporter) -> None:
    assert exporter.about.title
    assert exporter.about.description.endswith(".")


def test_a_box_alone_is_written_or_refused_but_never_left_out(
    exporter: Exporter, tmp_path: Path, target: Path
) -> None:
    items = make_items(tmp_path)

    if not exporter.about.needs_masks:
        assert exporter.write(target, make_info(), items).n_annotations == 4
        return
    with pytest.raises(InputError, match="annotations 4") as caught:
        exporter.write(target, make_info(), items)
    assert caught.value.code == "masks-missing"


def test_a_folder_with_files_is_left_alone(
    exporter: Exporter, items: list[DatasetItem], target: Path
) -> None:
    target.mkdir()
    (target / "notes.txt").write_text("mine")

    with pytest.raises(ConflictError) as caught:
        exporter.write(target, make_info(), items)

    assert caught.value.code == "folder-not-empty"
    assert bytes_of(target) == {"notes.txt": b"mine"}


def test_a_frame_comes_once(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    with pytest.raises(InputError, match="each frame once"):
        exporter.write(target, make_info(), [items[0], items[0]])


def test_a_missing_picture_is_named(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    items[1].image_path.unlink()

    with pytest.raises(StorageError, match=r"1_25\.jpg"):
        exporter.write(target, make_info(), items)


def test_a_changed_picture_is_noticed(exporter: Exporter, items: list[DatasetItem], target: Path) -> None:
    items[1].image_path.write_bytes(b"another picture")

    with pytest.raises(StorageError) as caught:
        exporter.write(target, make_info(), items)

    assert caught.value.code == "image-changed"


@pytest.mark.parametrize(
    "changes", [{"class_name": "bird"}, {"run_id": 8}], ids=["unknown-class", "unknown-run"]
)
def test_records_that_contradict_each_other_are_refused(
    exporter: Exporter, items: list[DatasetItem], target: Path, changes: dict[str, object]
) -> None:
    wrong = replace(items[0].annotations[0], **changes)  # type: ignore[arg-type]

    with pytest.raises(InputError, match="annotation 1") as caught:
        exporter.write(target, make_info(), [replace(items[0], annotations=[wrong])])

    assert caught.value.code == "inconsistent-dataset"


def test_same_names_in_two_videos_do_not_meet(exporter: Exporter, tmp_path: Path, target: Path) -> None:
    videos = make_video(1, name="GOPR0001.MP4"), make_video(2, name="GOPR0001.MP4")

    exporter.write(target, make_info(), [make_item(tmp_path, video, 0) for video in videos])

    assert sorted(name for name, _ in exporter.read(target)) == [
        "GOPR0001-6b86b273_000000_0.jpg",
        "GOPR0001-d4735e3a_000000_0.jpg",
    ]


def test_other_folders_are_no_dataset(exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(exporter.read(tmp_path))
