"""A dataset leaves: what was asked for, the same bytes each time, wholly or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from komadori.core import disk, masks
from komadori.core.errors import ConflictError, InputError, NotFoundError
from komadori.core.types import AnnotationStatus, Job, JobState
from komadori.services import annotate, export, review
from komadori.services.annotate import Targets
from tests.support.app import seed_video
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

INSTANCES = "annotations/instances_default.json"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    """Six frames: two red blocks accepted, one green proposed and one rejected."""
    with pipeline(tmp_path / "home") as made:
        seed_video(made.ctx, n_frames=6)
        annotate.request(made.ctx, ["red", "green"], Targets())
        of_class = {
            name: [a.id for a in made.annotations() if a.class_name == name] for name in ("red", "green")
        }
        review.decide(made.ctx, of_class["red"], AnnotationStatus.ACCEPTED)
        review.decide(made.ctx, of_class["green"][:1], AnnotationStatus.REJECTED)
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "dataset"


def write(system: Pipeline, target: Path, status: str = "accepted") -> Job:
    return system.job(export.request(system.ctx, str(target), "coco", status, "default").id)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("accepted", [(1, "red"), (4, "red")]),
        ("proposed", [(5, "green")]),
        ("all", [(1, "red"), (4, "red"), (5, "green")]),
    ],
)
def test_what_was_asked_for_leaves_and_never_what_was_rejected(
    system: Pipeline, target: Path, status: str, expected: list[tuple[int, str]]
) -> None:
    job = write(system, target, status)

    assert job.state is JobState.DONE
    assert job.result == {
        "directory": str(target),
        "n_images": len(expected),
        "n_annotations": len(expected),
        "manifest_sha256": disk.sha256_of(target / "manifest.json"),
    }
    dataset = json.loads((target / INSTANCES).read_text())
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    written = [(a["image_id"], names[a["category_id"]]) for a in dataset["annotations"]]
    assert sorted(written) == expected


def test_pycocotools_decodes_the_masks_of_the_database(system: Pipeline, target: Path) -> None:
    holed = np.zeros((48, 64), np.bool_)
    holed[5:40, 5:50], holed[10:20, 10:20], holed[45:, 60:] = True, False, True
    review.draw(system.ctx, 2, "ring", None, masks.encode(holed))
    write(system, target, "all")

    coco = COCO(str(target / INSTANCES))

    stored = {a.id: a for a in system.annotations() if a.status is not AnnotationStatus.REJECTED}
    assert set(coco.anns) == set(stored)
    for annotation_id, record in coco.anns.items():
        mask = stored[annotation_id].mask
        assert mask is not None
        np.testing.assert_array_equal(coco.annToMask(record).astype(bool), masks.decode(mask))
        assert record["area"] == mask.area
        x, y, width, height = record["bbox"]
        assert (x, y, x + width, y + height) == mask.bbox_xyxy
        assert record["iscrowd"] == 0


def test_the_same_export_again_has_the_same_bytes_and_takes_its_own_place(
    system: Pipeline, target: Path
) -> None:
    write(system, target)
    first = bytes_of(target)

    assert write(system, target).state is JobState.DONE
    write(system, target.with_name("second"))

    assert bytes_of(target) == bytes_of(target.with_name("second")) == first
    assert sorted(p.name for p in target.parent.iterdir()) == ["dataset", "second"]


def test_a_folder_with_other_files_is_left_alone(system: Pipeline, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "thesis.tex").write_text("mine")
    (target / "manifest.json").write_text('{"name": "of another program"}')

    with pytest.raises(ConflictError) as caught:
        write(system, target)

    assert caught.value.code == "export-target-taken"
    assert (target / "thesis.tex").read_text() == "mine"


def test_a_folder_that_was_filled_meanwhile_is_left_alone_too(system: Pipeline, target: Path) -> None:
    system.hold()
    job = write(system, target)
    target.mkdir(parents=True)
    (target / "thesis.tex").write_text("mine")

    system.run_waiting(job.id)

    failed = system.job(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert f"The folder {target} holds files that are no Komadori export." in failed.error
    assert bytes_of(target) == {"thesis.tex": b"mine"}


def test_a_failing_export_leaves_the_former_one_and_nothing_beside_it(system: Pipeline, target: Path) -> None:
    write(system, target)
    before = bytes_of(target)
    system.damage(4)

    job = write(system, target, "all")

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "komadori verify" in job.error
    assert bytes_of(target) == before
    assert [p.name for p in target.parent.iterdir()] == ["dataset"]


def test_a_former_export_comes_back_when_the_new_one_cannot_take_its_place(
    system: Pipeline, target: Path, tmp_path: Path
) -> None:
    write(system, target)
    before = bytes_of(target)

    with pytest.raises(OSError, match="No such file"):
        export._put_in_place(tmp_path / "vanished", target, ".dataset.1.")

    assert bytes_of(target) == before
    assert [p.name for p in target.parent.iterdir()] == ["dataset"]


def test_what_a_killed_attempt_left_is_cleared_and_what_it_moved_comes_back(
    system: Pipeline, target: Path
) -> None:
    write(system, target)
    before = bytes_of(target)
    system.hold()
    job = write(system, target, "all")
    target.rename(target.with_name(f".dataset.{job.id}.abcd.former"))
    (target.parent / f".dataset.{job.id}.efgh").mkdir()
    (target.parent / ".dataset.999.of-another-job").mkdir()
    system.damage(4)

    system.run_waiting(job.id)

    assert bytes_of(target) == before
    assert sorted(p.name for p in target.parent.iterdir()) == [".dataset.999.of-another-job", "dataset"]


def test_a_place_that_cannot_be_written_is_named_with_a_remedy(system: Pipeline) -> None:
    job = write(system, Path("/proc/komadori/dataset"))

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "/proc/komadori" in job.error
    assert "may write there" in job.error


@pytest.mark.parametrize(
    ("directory", "format_name", "status", "code"),
    [
        ("dataset", "coco", "accepted", "bad-directory"),
        ("/tmp/x", "cocoa", "accepted", "unknown-name"),
        ("/tmp/x", "coco", "rejected", "bad-status"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_at_once(
    system: Pipeline, directory: str, format_name: str, status: str, code: str
) -> None:
    with pytest.raises(InputError) as caught:
        export.request(system.ctx, directory, format_name, status, "default")
    assert caught.value.code == code


def test_a_file_or_a_link_is_no_place_for_a_dataset(system: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)

    for name in ("file", "link"):
        with pytest.raises(ConflictError, match="exists and is no folder"):
            write(system, tmp_path / name)


@pytest.mark.parametrize("name", ["", "blobs/frames", "new-folder", "../{home}/vectors"])
def test_the_home_is_no_place_for_a_dataset(system: Pipeline, name: str) -> None:
    home = system.ctx.home
    with pytest.raises(ConflictError, match="inside the home"):
        write(system, home / name.format(home=home.name))
    assert not (home / "new-folder").exists()


def test_there_must_be_something_to_export(system: Pipeline, target: Path) -> None:
    for annotation in system.annotations():
        review.delete(system.ctx, annotation.id)

    with pytest.raises(InputError) as caught:
        write(system, target)
    assert caught.value.code == "nothing-to-export"
    with pytest.raises(NotFoundError, match="There is no project 'nowhere'"):
        export.request(system.ctx, str(target), "coco", "all", "nowhere")
