"""The package on the page about extending works as it stands there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core import registry
from komadori.core.types import AnnotationStatus, JobState
from komadori.services import annotate, export, search
from komadori.services.annotate import Targets
from komadori.services.search import Scope
from tests.support import plugin
from tests.support.clips import clip
from tests.support.pipeline import pipeline, sampling

BACKEND = Path(__file__).parents[2]
PARTS = {"samplers": "bursts", "embedders": "grid_colours", "exporters": "json_lines"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    plugin.install(folder)
    return folder


@pytest.fixture
def on_import_path(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(package))
    yield
    for name in [name for name in sys.modules if name.startswith("acme_komadori")]:
        del sys.modules[name]


def test_each_kind_on_the_page_is_one_of_the_registry() -> None:
    table = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", plugin.EXTENDING.read_text("utf-8"), re.MULTILINE)

    assert {kind for row in table for kind in re.findall(r"\w+", row)} == set(registry.PACKAGES)


def test_the_files_are_all_found_on_the_page() -> None:
    assert set(plugin.files()) == {
        "pyproject.toml",
        *(f"acme_komadori/{name}.py" for name in PARTS.values()),
    }


def test_the_parts_keep_their_contracts(package: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, "tests/contract", "-k", " or ".join(PARTS.values())],
        cwd=BACKEND,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    for name in PARTS.values():
        assert len(re.findall(rf"\[{name}\b[^\n]* PASSED", done.stdout)) >= 5


def test_a_video_goes_all_the_way_through_the_parts(on_import_path: None, tmp_path: Path) -> None:
    for kind, name in PARTS.items():
        assert name in registry.names(kind)
    with pipeline(tmp_path / "home", embedder="grid_colours") as system:
        added = system.add(clip("h264.mp4"), sampling("bursts", seconds=2, frames=2))
        assert (added.state, added.done) == (JobState.DONE, 4)
        frames = system.frames(added)
        assert [frame.decode_index for frame in frames] == [0, 1, 60, 61]

        alike = search.by_frame(system.ctx, frames[0].id, 2, Scope())
        assert {hit.frame_id for hit in alike.hits} == {frames[0].id, frames[1].id}
        assert search.by_text(system.ctx, "something red", 9, Scope()).n_searched == 4

        annotate.request(system.ctx, ["red"], Targets())
        proposals = system.annotations(status=AnnotationStatus.PROPOSED)
        assert proposals
        target = tmp_path / "dataset"
        exported = export.request(system.ctx, str(target), "json_lines", "proposed", "default")
        assert system.job(exported.id).state is JobState.DONE
        lines = [json.loads(line) for line in (target / "annotations.jsonl").read_text().splitlines()]
        assert sum(len(line["objects"]) for line in lines) == len(proposals)
