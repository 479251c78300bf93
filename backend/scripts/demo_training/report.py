"""Writes a report on trained demo models: curves, measures, confusion, and pictures good and bad.

    cd backend && python -m scripts.demo_training.report --siglip FOLDER --sam3 FOLDER --out FOLDER

Each FOLDER of a model holds its checkpoint with ``history.jsonl`` and ``measures.json``; either model
may be left out. ``index.html`` in the folder of the report shows everything.
"""

import argparse
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scripts.demo_training import floors
from scripts.demo_training.charts import Curve, confusion_chart, line_chart
from scripts.demo_training.floors import Floor, value_at
from scripts.demo_training.sam3_pictures import sam3_sheets
from scripts.demo_training.siglip_pictures import retrieval_rows

from komadori.core.types import JsonDict
from komadori.demo_world.kinds import kinds
from komadori.ml.embedders import siglip2
from komadori.ml.segmenters import sam3

SEED = 20261126
N_FRAMES = 60
N_GALLERY = 300
N_TILES = 12

MEASURES = (
    "mean_iou",
    "recall",
    "precision",
    "presence_right",
    "semantic_iou",
    "patches_right",
    "top1",
    "map",
)
"""What the names of measures in a history begin with; other numbers are losses."""

SHEET_WORDS = {
    "typical": "Drawn at random from all questions for what is there.",
    "best": "The best answers.",
    "worst": "The worst answers.",
    "invented": "The surest finds of what is not there.",
    "boxes": "Example boxes: green for such as this, red for not such as this.",
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1400px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; border: 1px solid #ccc; text-align: left }
img { max-width: 100%; display: block; margin: .5rem 0 1.5rem } .missed { color: #b00020; font-weight: 600 }
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--siglip", type=Path, help="the folder of the trained SigLIP 2")
    parser.add_argument("--sam3", type=Path, help="the folder of the trained SAM 3")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=N_FRAMES, help="on which SAM 3 is shown")
    parser.add_argument("--gallery", type=int, default=N_GALLERY, help="frames among which SigLIP 2 searches")
    arguments = parser.parse_args(argv)
    print(write_report(arguments.out, arguments.siglip, arguments.sam3, arguments.frames, arguments.gallery))


def write_report(
    out: Path,
    siglip: Path | None,
    sam3_folder: Path | None,
    n_frames: int = N_FRAMES,
    n_gallery: int = N_GALLERY,
) -> Path:
    """Write the report on one model or both; about a minute of one CPU core.

    Returns:
        The page.

    Raises:
        ModelError: A folder is no complete checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    if siglip is not None:
        parts += _siglip_section(siglip, out, n_gallery)
    if sam3_folder is not None:
        parts += _sam3_section(sam3_folder, out, n_frames)
    page = out / "index.html"
    page.write_text(
        f"<!doctype html>\n<meta charset=utf-8>\n<title>Demo models</title>\n<style>{_STYLE}</style>\n"
        "<h1>The demo models on frames that their training never saw</h1>\n" + "\n".join(parts) + "\n",
        encoding="utf-8",
    )
    return page


def read_history(folder: Path) -> list[JsonDict]:
    """The records of a training, in order; none where there is no file."""
    file = folder / "history.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line]


def read_measures(folder: Path) -> JsonDict:
    """What was measured of a checkpoint; empty where there is no file."""
    file = folder / "measures.json"
    measures: JsonDict = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return measures


def history_charts(history: Sequence[JsonDict]) -> dict[str, Image.Image]:
    """``losses`` and ``measures`` over the steps, as far as the history has them."""
    names = sorted({name for record in history for name in record} - {"step", "seconds"})
    numeric = [n for n in names if any(isinstance(record.get(n), int | float) for record in history)]
    measures = [name for name in numeric if name.startswith(MEASURES)]
    losses = [name for name in numeric if name not in measures]
    charts = {}
    if losses:
        charts["losses"] = line_chart("Losses over steps", _curves(history, losses))
    if measures:
        charts["measures"] = line_chart("Held-out scenes over steps", _curves(history, measures), top=1.0)
    return charts


def _curves(history: Sequence[JsonDict], names: Iterable[str]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for name in names:
        records = [record for record in history if isinstance(record.get(name), int | float)]
        curves[name] = ([record["step"] for record in records], [record[name] for record in records])
    return curves


def _siglip_section(folder: Path, out: Path, n_gallery: int) -> list[str]:
    measures = read_measures(folder)
    parts = ["<h2>SigLIP 2</h2>", _floor_table(measures, floors.SIGLIP)]
    parts += _saved(history_charts(read_history(folder)), out, "siglip")
    names = [kind.name for kind in kinds()]
    for language, spoken in (("en", "English"), ("ja", "Japanese")):
        counts = measures.get(f"confusion_{language}")
        if counts:
            chart = confusion_chart(
                f"What is there, and which {spoken} name fits best", np.array(counts), names
            )
            parts += _saved({f"confusion_{language}": chart}, out, "siglip")
    parts.append(f"<h3>Search among {n_gallery} frames</h3>")
    embedder = siglip2.create(folder, device="cpu", engine="torch", threads=1)
    rows = retrieval_rows(embedder, SEED, n_gallery)
    for number, (query, row) in enumerate(rows.items()):
        parts.append(f"<h4>{html.escape(query)}</h4>")
        parts += _saved({f"search_{number:02d}": row}, out, "siglip")
    return parts


def _sam3_section(folder: Path, out: Path, n_frames: int) -> list[str]:
    measures = read_measures(folder)
    parts = ["<h2>SAM 3</h2>", _floor_table(measures, floors.SAM3)]
    parts += _saved(history_charts(read_history(folder)), out, "sam3")
    if "per_kind" in measures:
        parts += ["<h3>By kind, asked on every frame</h3>", _kind_table(measures["per_kind"])]
    parts.append("<p>Tinted: what was found. Dotted white: the truth.</p>")
    for name, sheet in sam3_sheets(
        sam3.create(folder, device="cpu", threads=1), SEED, n_frames, N_TILES
    ).items():
        parts.append(f"<h3>{SHEET_WORDS[name]}</h3>")
        parts += _saved({name: sheet}, out, "sam3")
    return parts


def _saved(pictures: Mapping[str, Image.Image], out: Path, prefix: str) -> list[str]:
    """The pictures as files, and the lines that show them."""
    lines = []
    for name, picture in pictures.items():
        file = f"{prefix}_{name}.png"
        picture.save(out / file, optimize=True)
        lines.append(f'<img src="{file}" alt="{html.escape(name)}">')
    return lines


def _floor_table(measures: JsonDict, wanted: Sequence[Floor]) -> str:
    rows = []
    for floor in wanted:
        value = value_at(measures, floor.path)
        shown = "not measured" if value is None else f"{value:.3f}"
        mark = "" if floor.is_reached(measures) else " class=missed"
        rows.append(f"<tr><td>{html.escape(floor.words)}<td{mark}>{shown}<td>{floor.limit}")
    return "<table><tr><th>measure<th>value<th>wanted\n" + "\n".join(rows) + "</table>"


def _kind_table(per_kind: Mapping[str, JsonDict]) -> str:
    columns = list(next(iter(per_kind.values())))
    head = "".join(f"<th>{column.replace('_', ' ')}" for column in columns)
    weakest_first = sorted(per_kind.items(), key=lambda item: item[1]["average_precision"] or 0.0)
    rows = [
        f"<tr><td>{html.escape(kind)}" + "".join(f"<td>{_cell(values[column])}" for column in columns)
        for kind, values in weakest_first
    ]
    return f"<table><tr><th>kind{head}\n" + "\n".join(rows) + "</table>"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


if __name__ == "__main__":
    main()
