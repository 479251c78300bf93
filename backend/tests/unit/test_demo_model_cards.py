"""The cards of the packaged models say what was measured, and that is enough."""

import json
from typing import Any

import pytest

pytest.importorskip("safetensors")

from scripts.demo_training.card import FLOORS, card
from scripts.demo_training.floors import Floor, missed, value_at

from komadori import demo_models

NAMES = sorted(FLOORS)
TRAINED = [name for name in NAMES if (demo_models.path(name) / "measures.json").is_file()]


def _measures(name: str) -> dict[str, Any]:
    measures: dict[str, Any] = json.loads((demo_models.path(name) / "measures.json").read_text("utf-8"))
    return measures


@pytest.mark.parametrize("name", TRAINED)
def test_the_card_has_the_figures_of_the_measures(name: str) -> None:
    assert (demo_models.path(name) / "README.md").read_text("utf-8") == card(name, _measures(name))


@pytest.mark.parametrize("name", TRAINED)
def test_the_packaged_models_reach_the_floors(name: str) -> None:
    assert missed(_measures(name), FLOORS[name]) == []


@pytest.mark.parametrize("name", TRAINED)
def test_the_measures_are_of_the_packaged_weights(name: str) -> None:
    weights = demo_models.path(name) / "model.safetensors"

    assert _measures(name)["model"]["weights_bytes"] == weights.stat().st_size


def test_a_floor_below_a_ceiling_above_and_nothing_measured() -> None:
    wanted = [
        Floor("good.least", "enough", least=0.5),
        Floor("good.most", "little", most=0.2),
        Floor("low", "too little", least=0.5),
        Floor("high", "too much", most=0.2),
        Floor("gone.away", "nothing", least=0.0),
        Floor("null", "nothing either", most=1.0),
    ]
    measures = {"good": {"least": 0.5, "most": 0.2}, "low": 0.4999, "high": 0.21, "gone": 3, "null": None}

    assert missed(measures, wanted) == [
        "too little: 0.500, expected at least 0.50",
        "too much: 0.210, expected at most 0.20",
        "nothing: not measured, expected at least 0.00",
        "nothing either: not measured, expected at most 1.00",
    ]
    assert value_at(measures, "good.most") == 0.2


def test_a_card_takes_each_figure_from_where_it_says() -> None:
    measures = {
        "seed": 5,
        "frames": 400,
        "mean_iou": 0.8126,
        "all_names": {"average_precision": 0.5},
        "offset_cells": {"dx": -0.0123, "dy": 0.02, "dx_se": 0.004, "dy_se": 0.005},
        "per_kind": {"cat": {"average_precision": 0.9}, "ring": {"average_precision": None}},
        "recipe": {"steps": 2400, "seed": 7, "minutes": 71.6, "device": "cpu"},
        "clicks": {"one_point": 0.7, "box": 0.8},
        "model": {"parameters": 1_640_000, "weights_bytes": 3_350_000},
    }

    text = card("sam3-demo", measures)

    for expected in (
        "1.64 million weights in half precision, 3.35 MB.",
        "2400\nsteps, seed 7, 72 minutes on one CPU core.",
        "| mean IoU of the masks of things that were found | 0.813 | at least 0.80 |",
        "| one point on a thing: mean IoU of its mask | 0.700 | at least 0.60 |",
        "| a box around a thing: mean IoU | 0.800 | |",
        "| the same, with all 48 names asked on every frame | 0.500 | |",
        "-0.012 cells to the right of the truth (standard error 0.004)",
        "Weakest kinds (average precision): ring 0.00, cat 0.90.",
        "| recall there | not measured | |",
        "Apache License 2.0",
    ):
        assert expected in text
    assert "{{" not in text
