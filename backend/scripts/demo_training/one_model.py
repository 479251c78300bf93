"""Trains one of the two demo models and measures it: one process of one thread.

    cd backend && python -m scripts.demo_training.one_model siglip --out FOLDER [--seed N] [--steps N]

FOLDER gets the checkpoint, ``history.jsonl`` and ``measures.json``.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from scripts.demo_training import measure_sam3, siglip_quality
from scripts.demo_training.report import read_history
from scripts.demo_training.siglip import Recipe, train
from transformers.utils import logging as transformers_logging

from komadori.core.types import JsonDict

SEED = 20261123
SIGLIP_STEPS = 3200
FRAMES = measure_sam3.N_FRAMES
FRAMES_PER_FRAME_OF_A_KIND = 25
GALLERY_PER_FRAME = 2.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train and how.

    Attributes:
        model: "siglip" or "sam3".
        folder: Where everything goes.
        seed: Decides everything.
        steps: Of the optimizer.
        device: Where the model computes.
        frames: With how many unseen frames SAM 3 is measured; SigLIP 2 with more in proportion.
    """

    model: str
    folder: Path
    seed: int
    steps: int
    device: str
    frames: int


def main(argv: Sequence[str] | None = None) -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=("siglip", "sam3"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--frames", type=int, default=FRAMES, help="to measure with")
    parser.add_argument("--only-measure", action="store_true", help="the checkpoint is there already")
    given = parser.parse_args(argv)
    steps = given.steps or usual_steps(given.model)
    plan = Plan(given.model, given.out, given.seed, steps, given.device, given.frames)
    torch.set_num_threads(1)  # sums over threads differ from run to run in the last bit
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if not given.only_measure:
        train_model(plan)
    measure_model(plan)


def usual_steps(model: str) -> int:
    """How many steps the recipe of the packaged model has."""
    if model == "siglip":
        return SIGLIP_STEPS
    from scripts.demo_training.sam3 import N_STEPS

    return N_STEPS


def train_model(plan: Plan) -> None:
    """Write the checkpoint and its history."""
    device = torch.device(plan.device)
    if plan.model == "siglip":
        train(Recipe(plan.steps), plan.seed, plan.folder, device)
        return
    from scripts.demo_training.sam3 import Training  # shapes transformers' classes when it is imported

    Training(plan.seed, plan.steps, device).run(plan.folder)


def measure_model(plan: Plan) -> JsonDict:
    """Measure the checkpoint on the processor and write ``measures.json``."""
    print(f"measuring on {plan.frames} unseen frames", flush=True)
    history = read_history(plan.folder)
    steps = int(history[-1]["step"]) if history else plan.steps
    if plan.model == "siglip":
        recipe: JsonDict = asdict(Recipe(steps))
        measures = siglip_quality.measure_checkpoint(
            plan.folder,
            plan.seed + 2,
            frames_per_kind=max(1, plan.frames // FRAMES_PER_FRAME_OF_A_KIND),
            n_gallery=max(12, round(plan.frames * GALLERY_PER_FRAME)),
        )
    else:
        recipe = {"steps": plan.steps}
        measures = measure_sam3.measure_checkpoint(plan.folder, plan.seed + 2, plan.frames)
    measures["recipe"] = recipe | {
        "seed": plan.seed,
        "device": plan.device,
        "minutes": round(history[-1]["seconds"] / 60, 1) if history else 0.0,
    }
    text = json.dumps(measures, indent=1, ensure_ascii=False) + "\n"
    (plan.folder / "measures.json").write_text(text, encoding="utf-8")
    return measures


if __name__ == "__main__":
    main()
