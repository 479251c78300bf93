"""Puts finished checkpoints in the place of the packaged ones, both or none."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.demo_training.card import FLOORS, card, packaged_measures
from scripts.demo_training.floors import missed

PACKAGED = (
    "config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What of a checkpoint is packaged, beside its card and measures."""

MAX_BYTES = 24_000_000
"""Of all packaged models together; every clone and every wheel carries them."""


def shortfalls(runs: Mapping[str, Path]) -> list[str]:
    """Why the runs, by the name of the packaged model, are not good enough; empty when they are."""
    reasons = [
        f"{name}: {reason}"
        for name, run in runs.items()
        for reason in missed(packaged_measures(run), FLOORS[name])
    ]
    total = sum((run / file).stat().st_size for run in runs.values() for file in PACKAGED)
    if total > MAX_BYTES:
        reasons.append(f"together they have {total / 1e6:.1f} MB, expected at most {MAX_BYTES / 1e6:.0f} MB")
    return reasons


def write_cards(runs: Mapping[str, Path], folder: Path) -> None:
    """Write the card of each run as ``NAME.md`` into a folder, to be read before anything is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, run in runs.items():
        (folder / f"{name}.md").write_text(card(name, packaged_measures(run)), encoding="utf-8")


def install(runs: Mapping[str, Path], packaged: Path) -> None:
    """Replace the packaged models by finished runs.

    All new folders are complete before the first old one goes, and the old ones come back if
    anything fails on the way.

    Args:
        runs: The folder of each run by the name of the packaged model.
        packaged: The folder of the packaged models.
    """
    with tempfile.TemporaryDirectory(prefix=".new-", dir=packaged) as scratch:
        fresh, former = Path(scratch) / "fresh", Path(scratch) / "former"
        former.mkdir()
        for name, run in runs.items():
            _assemble(name, run, fresh / name)
        _swap(list(runs), packaged, fresh, former)


def _assemble(name: str, run: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in PACKAGED:
        shutil.copyfile(run / file, folder / file)
    measures = packaged_measures(run)
    text = json.dumps(measures, indent=1, ensure_ascii=False) + "\n"
    (folder / "measures.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card(name, measures), encoding="utf-8")


def _swap(names: Sequence[str], packaged: Path, fresh: Path, former: Path) -> None:
    try:
        for name in names:
            if (packaged / name).exists():
                (packaged / name).rename(former / name)
            (fresh / name).rename(packaged / name)
    except BaseException:  # also an interrupt
        for name in names:
            if (former / name).exists():
                shutil.rmtree(packaged / name, ignore_errors=True)
                (former / name).rename(packaged / name)
        raise
