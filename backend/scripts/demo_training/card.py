"""Model cards of the demo models, filled in from their measures, so that no figure is typed by hand.

The words stand in ``cards/NAME.md``. In them ``{{path}}`` is a number of ``measures.json`` with three
digits, ``{{path|d}}`` the same in another format, and some names stand for prepared text.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from scripts.demo_training import floors
from scripts.demo_training.floors import value_at

from komadori.core.types import JsonDict

FOLDER = Path(__file__).parent / "cards"
FLOORS = {"siglip2-demo": floors.SIGLIP, "sam3-demo": floors.SAM3}

N_WEAKEST = 5
_DEVICES = {"cpu": "one CPU core", "cuda": "one GPU"}
_SLOT = re.compile(r"\{\{([\w.]+)(?:\|([^}]+))?\}\}")


def packaged_measures(run: Path) -> JsonDict:
    """The measures of a finished run as they are packaged: without its large tables, with the model's size.

    Args:
        run: A checkpoint's folder with ``measures.json``.
    """
    measures: JsonDict = json.loads((run / "measures.json").read_text(encoding="utf-8"))
    kept = {name: value for name, value in measures.items() if not name.startswith("confusion_")}
    weights = run / "model.safetensors"
    with safe_open(weights, "numpy") as file:
        n_parameters = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return kept | {"model": {"parameters": n_parameters, "weights_bytes": weights.stat().st_size}}


def card(name: str, measures: JsonDict) -> str:
    """The README.md of a packaged model.

    Args:
        name: "siglip2-demo" or "sam3-demo".
        measures: As packaged; what they lack is "not measured".
    """
    words = _prepared(name, measures)

    def filled(slot: re.Match[str]) -> str:
        path, form = slot[1], slot[2]
        return words[path] if path in words else _figure(measures, path, form or ".3f")

    return _SLOT.sub(filled, (FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def _prepared(name: str, measures: JsonDict) -> dict[str, str]:
    """What is more than one number, by the name of its slot."""
    rows = [f"| {f.words} | {_figure(measures, f.path, '.3f')} | {f.limit} |" for f in FLOORS[name]]
    return {
        "floors": "\n".join(rows),
        "parameters": f"{measures['model']['parameters'] / 1e6:.2f}",
        "megabytes": f"{measures['model']['weights_bytes'] / 1e6:.2f}",
        "device": _DEVICES[measures["recipe"]["device"]],
        "weakest": _listed(_by_kind(measures), N_WEAKEST),
        "languages": _listed(measures.get("precision_at_10_others", {})),
        "data": (FOLDER / "data.md").read_text(encoding="utf-8").strip(),
        "licence": (FOLDER / "licence.md").read_text(encoding="utf-8").strip(),
    }


def _by_kind(measures: JsonDict) -> dict[str, float]:
    """One number for each kind: top-1, or average precision."""
    if "per_kind_en" in measures:
        return dict(measures["per_kind_en"])
    return {kind: values["average_precision"] or 0.0 for kind, values in measures["per_kind"].items()}


def _listed(values: Mapping[str, float], n: int | None = None) -> str:
    """The lowest first."""
    lowest = sorted(values.items(), key=lambda item: item[1])[:n]
    return ", ".join(f"{name} {value:.2f}" for name, value in lowest)


def _figure(measures: JsonDict, path: str, form: str) -> str:
    value = value_at(measures, path)
    if value is None:
        return "not measured"
    return format(int(value), form) if form == "d" else format(value, form)
