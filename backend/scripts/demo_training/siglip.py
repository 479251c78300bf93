"""Trains the small SigLIP 2 checkpoint of the demo on the synthetic world.

    cd backend && python -m scripts.demo_training.siglip --out FOLDER --seed 20261123 --steps N

The model is transformers' SiglipModel, the loss SigLIP's (arXiv 2303.15343): each pair of a picture
and a text is a question of yes or no, here with as many yeses as texts are true of the picture. Two
things make it learn within an hour of one CPU core: scenes start with one big thing, and a layer that
is thrown away afterwards names the kind that each patch shows, from the scenes' true masks.
"""

import argparse
import copy
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scripts.demo_training.captions import Caption, random_captions, texts_of_tokenizer, truths
from scripts.demo_training.checkpoint_files import replace_files
from scripts.demo_training.schedule import move_mean, share_of_rate
from scripts.demo_training.siglip_model import (
    contrastive_loss,
    new_model,
    new_optimizers,
    patch_loss,
    processor,
    set_rates,
)
from scripts.demo_training.siglip_quality import names_by_language
from scripts.demo_training.siglip_scenes import ScenePool, Scenes, random_scenes
from scripts.demo_training.tokenizers import SIGLIP_LENGTH, gemma_style_tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import logging as transformers_logging

from komadori.demo_world.kinds import kinds

SEED = 20261123

TRAINING, CHECKS = 0, 1
"""Added to the seed for what is trained with, and looked at on the way."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train.

    Attributes:
        steps: How many updates.
        batch: Scenes in each.
        fresh: Scenes drawn anew before each.
        pool: Scenes kept.
        pairs: Captions of two things in each batch.
        vocabulary: Tokens at most.
        learning_rate: Of AdamW, at its highest, after ``warm_up`` steps; it falls to nothing as a cosine.
        matrix_rate: Of Muon, likewise.
        warm_up: In steps.
        weight_decay: Of matrices.
        dense: The weight of the patch loss beside the contrastive one.
        averaging: Which share of the averaged weights, which are kept in the end, stays at each step.
        held_out: Scenes to look at on the way.
        check_every: Steps from one look at them, with a checkpoint, to the next.
    """

    steps: int
    batch: int = 64
    fresh: int = 24
    pool: int = 2048
    pairs: int = 16
    vocabulary: int = 2048
    learning_rate: float = 1.2e-3
    matrix_rate: float = 0.02
    warm_up: int = 80
    weight_decay: float = 0.05
    dense: float = 1.0
    averaging: float = 0.995
    held_out: int = 384
    check_every: int = 200


def main(argv: Sequence[str] | None = None) -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="1 gives the same bytes at each run")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    train(Recipe(arguments.steps), arguments.seed, arguments.out, torch.device(arguments.device))


def train(recipe: Recipe, seed: int, folder: Path, device: torch.device) -> None:
    """Write the checkpoint, and a first one every few minutes, with ``history.jsonl`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    history = folder / "history.jsonl"
    history.unlink(missing_ok=True)
    training = Training(recipe, seed, device)
    for record in training.run():
        training.save(folder)
        with history.open("a") as file:
            file.write(json.dumps(record) + "\n")


class Training:
    """One training from the start.

    Args:
        recipe: How.
        seed: Decides everything.
        device: Where the model computes; scenes are always drawn on the CPU.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device) -> None:
        self._recipe = recipe
        self._device = device
        self._rng = np.random.default_rng(seed + TRAINING)
        torch.manual_seed(seed)
        self._tokenizer = gemma_style_tokenizer(texts_of_tokenizer(), recipe.vocabulary)
        self._model = new_model(self._tokenizer).to(device)
        self._patch_layer = nn.Linear(self._model.config.vision_config.hidden_size, len(kinds()) + 1)
        self._patch_layer.to(device)
        self._averaged = copy.deepcopy(self._model).requires_grad_(False).eval()
        self._optimizers = new_optimizers(
            [self._model, self._patch_layer],
            learning_rate=recipe.learning_rate,
            matrix_rate=recipe.matrix_rate,
            weight_decay=recipe.weight_decay,
        )
        self._pool = ScenePool(self._rng, recipe.pool)
        self._held_out = random_scenes(np.random.default_rng(seed + CHECKS), recipe.held_out)

    def run(self) -> Iterator[dict[str, float]]:
        """Train; gives a record of losses and measures each ``check_every`` steps and at the end."""
        started = time.monotonic()
        steps = self._recipe.steps
        self._pool.renew(8 * self._recipe.batch, progress=0.0)
        losses: list[dict[str, float]] = []
        for step in range(1, steps + 1):
            self._pool.renew(self._recipe.fresh, progress=step / steps)
            losses.append(self._update(step))
            seconds = time.monotonic() - started
            if step % 50 == 0 or step == steps:
                left = seconds / step * (steps - step)
                numbers = " ".join(f"{name} {value:.3f}" for name, value in _mean(losses[-50:]).items())
                print(f"step {step}/{steps} {numbers} {left:.0f} s left", flush=True)
            if step % self._recipe.check_every == 0 or step == steps:
                yield {"step": step, "seconds": round(seconds, 1), **_mean(losses), **self._check()}
                losses.clear()

    def save(self, folder: Path) -> None:
        """Write the averaged model and its processor in the layout of transformers."""
        with replace_files(folder) as scratch:
            copy.deepcopy(self._averaged).to("cpu", torch.float16).save_pretrained(scratch)
            processor(self._tokenizer).save_pretrained(scratch)

    def _update(self, step: int) -> dict[str, float]:
        """One step of the optimizers; its losses."""
        scenes = self._pool.take(self._recipe.batch)
        captions = random_captions(self._rng, scenes.seen, self._recipe.pairs)
        visual = self._model.get_image_features(pixel_values=self._pixels(scenes))
        logits = self._logits(self._model, visual.pooler_output, captions)
        contrastive = contrastive_loss(logits, self._to_device(truths(captions, scenes.seen)))
        patches = self._patch_layer(visual.last_hidden_state)
        dense = patch_loss(patches, self._to_device(scenes.patches))
        (contrastive + self._recipe.dense * dense).backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        set_rates(self._optimizers, share_of_rate(step, self._recipe.steps, self._recipe.warm_up))
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        move_mean(self._averaged, self._model, step, most_kept=self._recipe.averaging, ease=10)
        return {"contrastive": contrastive.item(), "dense": dense.item()}

    def _logits(self, model: Any, pictures: Tensor, captions: Sequence[Caption]) -> Tensor:
        """(N, C) how well each of C captions fits each of N pictures, given as (N, D)."""
        tokens = self._tokenizer(
            [caption.text for caption in captions],
            padding="max_length",
            max_length=SIGLIP_LENGTH,
            truncation=True,
            return_tensors="pt",
        )
        texts = model.get_text_features(input_ids=tokens["input_ids"].to(self._device)).pooler_output
        cosines = functional.normalize(pictures, dim=1) @ functional.normalize(texts, dim=1).T
        return cosines * model.logit_scale.exp() + model.logit_bias

    def _pixels(self, scenes: Scenes) -> Tensor:
        """(N, 3, 96, 96) in -1 to 1, as the processor gives them."""
        return self._to_device(scenes.images).float() / 127.5 - 1.0

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _check(self) -> dict[str, float]:
        """Measures on the held-out scenes at the size of the model, by language."""
        visual = self._averaged.get_image_features(pixel_values=self._pixels(self._held_out))
        measures = {}
        for language, names in names_by_language().items():
            captions = [Caption(name.lower(), ()) for name in names]
            scores = self._logits(self._averaged, visual.pooler_output, captions).cpu().numpy()
            measures[f"top1_{language}"] = _top1(scores, self._held_out.seen)
            measures[f"map_{language}"] = _mean_average_precision(scores, self._held_out.seen)
        return measures


def _mean(records: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number."""
    return {name: round(float(np.mean([record[name] for record in records])), 4) for name in records[0]}


def _top1(scores: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    """How often the best of K names is right, over those of (N, K) scenes that show one kind."""
    single = seen.sum(axis=1) == 1
    best = scores[single].argmax(axis=1)
    return round(float(seen[single][np.arange(len(best)), best].mean()), 4)


def _mean_average_precision(scores: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    """Of searches for each of K kinds among N scenes, both given as (N, K)."""
    relevant = np.take_along_axis(seen, np.argsort(-scores, axis=0), axis=0)
    precision = np.cumsum(relevant, axis=0) / np.arange(1, len(seen) + 1)[:, None]
    average = (precision * relevant).sum(axis=0) / np.maximum(relevant.sum(axis=0), 1)
    return round(float(average.mean()), 4)


if __name__ == "__main__":
    main()
