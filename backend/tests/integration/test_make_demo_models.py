"""make demo-models with trainings of two steps: what it makes, and when it leaves packaged models alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("resvg_py")

import torch
from scripts import make_demo_models
from scripts.demo_training import one_model, packaging
from scripts.demo_training.card import FLOORS, card
from scripts.demo_training.one_model import Plan

from komadori import demo_models
from komadori.core.types import ConceptPrompt, JsonDict
from komadori.ml.embedders import siglip2
from komadori.ml.segmenters import sam3

SEED = 7
QUICK = [
    "--steps-siglip",
    "2",
    "--steps-sam3",
    "2",
    "--frames",
    "4",
    "--shown-frames",
    "2",
    "--seed",
    str(SEED),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``out``, what a quick run made, and ``packaged``, models that it did not replace."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(demo_models.FOLDER, folder / "packaged")

    options = ["--out", str(folder / "out"), "--packaged", str(folder / "packaged")]
    assert make_demo_models.main([*QUICK, *options]) == 1
    return folder


@pytest.fixture
def good_runs(made: Path, tmp_path: Path) -> dict[str, Path]:
    """The runs, with measures that reach all floors."""
    runs = {}
    for run, name in make_demo_models.RUNS.items():
        runs[name] = shutil.copytree(made / "out" / "runs" / run, tmp_path / "runs" / run)
        measures = json.loads((runs[name] / "measures.json").read_text())
        for floor in FLOORS[name]:
            _set(measures, floor.path, floor.least if floor.least is not None else floor.most)
        (runs[name] / "measures.json").write_text(json.dumps(measures))
    return runs


def test_models_below_the_floors_replace_nothing(made: Path) -> None:
    assert _contents(made / "packaged") == _contents(demo_models.FOLDER)


def test_the_report_shows_curves_confusion_and_pictures(made: Path) -> None:
    page = (made / "out" / "index.html").read_text()

    pictures = {path.name for path in (made / "out").glob("*.png")}
    assert pictures >= {
        *("siglip_losses.png", "siglip_measures.png", "siglip_confusion_en.png", "siglip_confusion_ja.png"),
        *("siglip_search_00.png", "sam3_losses.png", "sam3_measures.png", "sam3_worst.png", "sam3_boxes.png"),
    }
    assert all(f'src="{name}"' in page for name in pictures)
    assert "class=missed" in page


def test_the_checkpoints_load_through_the_adapters(made: Path) -> None:
    runs = made / "out" / "runs"
    image = np.full((90, 160, 3), 128, np.uint8)

    embedder = siglip2.create(runs / "siglip", engine="torch", threads=1)
    segmenter = sam3.create(runs / "sam3", threads=1)
    [[found]] = segmenter.segment(
        [image], [ConceptPrompt("cat", "cat")], score_threshold=0.0, mask_threshold=0.5
    )

    assert embedder.embed_texts(["ペンギン"]).vectors.shape == (1, embedder.space.dim)
    assert {mask.size_hw for mask in found.masks or []} <= {(90, 160)}


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one_model.train_model(Plan("sam3", tmp_path, SEED, 2, "cpu", 4))
    torch.set_num_threads(threads)

    for name in packaging.PACKAGED:
        assert (tmp_path / name).read_bytes() == (made / "out" / "runs" / "sam3" / name).read_bytes(), name


def test_cards_are_filled_in(made: Path) -> None:
    for name in make_demo_models.RUNS.values():
        text = (made / "out" / f"{name}.md").read_text()

        assert "{{" not in text
        assert f"2\nsteps, seed {SEED}" in text.replace("Trained by `make demo-models`: ", "")


def test_good_models_are_installed_with_card_and_measures(
    made: Path, good_runs: dict[str, Path], tmp_path: Path
) -> None:
    packaged = shutil.copytree(made / "packaged", tmp_path / "packaged")

    assert packaging.shortfalls(good_runs) == []
    packaging.install(good_runs, packaged)

    for name, run in good_runs.items():
        files = {path.name: path for path in (packaged / name).iterdir()}
        measures: JsonDict = json.loads(files["measures.json"].read_text())
        assert files.keys() == {*packaging.PACKAGED, "README.md", "measures.json"}
        assert files["model.safetensors"].read_bytes() == (run / "model.safetensors").read_bytes()
        assert files["README.md"].read_text() == card(name, measures)
    assert {path.name for path in packaged.iterdir()} == {path.name for path in demo_models.FOLDER.iterdir()}


def test_an_interrupt_between_the_two_leaves_the_old_ones(
    made: Path, good_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = shutil.copytree(made / "packaged", tmp_path / "packaged")
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.parent.name == "fresh" and path.name == "sam3-demo":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        packaging.install(good_runs, packaged)

    assert _contents(packaged) == _contents(demo_models.FOLDER)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps-sam3", "0"], "Expected --steps-sam3 of 1 or more, got 0."),
        (["--from-runs", "nowhere"], "found no measures.json"),
        (["--packaged", "nowhere"], "Expected a folder of models that can be written, got nowhere."),
    ],
)
def test_what_cannot_be_is_said_at_once(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_demo_models.main([*options, "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_machine_without_a_card_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_demo_models.main(["--device", "cuda", "--out", str(tmp_path)]) == 1
    assert "cuda" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _set(measures: dict[str, Any], path: str, value: float | None) -> None:
    *parents, last = path.split(".")
    for name in parents:
        measures = measures[name]
    measures[last] = value
