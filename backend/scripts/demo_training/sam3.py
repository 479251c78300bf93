"""Trains the small SAM 3 on the synthetic world, from scratch, through transformers' own class.

    cd backend && python -m scripts.demo_training.sam3 --out FOLDER [--seed N] [--steps N] [--device cpu]

First the image encoder and the text encoder learn together, without the costly decoder: each patch is
asked which word it shows, and each fine cell whether there is a thing, by layers that only the training
has. Then the whole model learns to answer questions, while the patches are still asked. The weights that
are saved are the running mean over the last few hundred steps.
"""

import argparse
import copy
import json
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scripts.demo_training.checkpoint_files import replace_files
from scripts.demo_training.sam3_batches import Batch, collate
from scripts.demo_training.sam3_dense import DenseHeads
from scripts.demo_training.sam3_loss import set_loss, weighted
from scripts.demo_training.sam3_model import build
from scripts.demo_training.sam3_outputs import ask, see
from scripts.demo_training.sam3_quality import quick_measures
from scripts.demo_training.sam3_scenes import Example, example
from scripts.demo_training.sam3_words import VOCABULARY_SIZE, known_words
from scripts.demo_training.schedule import move_mean, share_of_rate
from scripts.demo_training.tokenizers import clip_tokenizer
from torch import Tensor, nn

from komadori.demo_world.sampling import Taste

SEED = 20261123
N_STEPS = 4000
N_WORD_STEPS = 1300
"""Steps of the first stage, for the default number of steps; in proportion for another."""

WORD_BATCH = 32
WORD_POOL = 1024
"""Pictures kept in the first stage; a third of a batch of them is drawn anew at each step."""

BATCH = 12
PROMPTS = 2
PEAK_RATE = 1e-3
"""Of AdamW, which moves embeddings, convolutions, biases and heads."""

MATRIX_RATE = 0.02
"""Of Muon, which moves the matrices inside of layers."""

LEARNT = {"vision_encoder.backbone": 0.1, "vision_encoder.neck": 0.3, "text_": 0.1}
"""The share of these rates in the second stage for what the first one taught; a decoder that knows nothing
yet would undo it."""

WARM_UP = 150
BOX_STEPS = 3
"""Every so many steps, one asks by example boxes."""

EASY_UNTIL = 0.4
"""The share of the first stage during which things grow from large and lonely to small and many."""

DENSE_WEIGHT = 1.5
WEIGHT_DECAY = 0.03
MEAN_KEEPS = 0.998
TELL_EVERY = 50
CHECK_EVERY = 250


def main(argv: Sequence[str] | None = None) -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=N_STEPS, help="of the second stage")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="1 gives the same bytes at each run")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    Training(arguments.seed, arguments.steps, torch.device(arguments.device)).run(arguments.out)


class Training:
    """One run from the start.

    Args:
        seed: Decides everything.
        n_steps: Of the second stage; the first has its share of it.
        device: Where the model computes; scenes are always drawn on the CPU.
    """

    def __init__(self, seed: int, n_steps: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        self._n_steps = n_steps
        self._n_word_steps = round(n_steps * N_WORD_STEPS / N_STEPS)
        self._device = device
        self._tokenizer = clip_tokenizer(known_words(), VOCABULARY_SIZE)
        self._model, self._processor = build(self._tokenizer)
        self._model.to(device).train()
        self._dense = DenseHeads(self._tokenizer, device)
        self._mean = copy.deepcopy(self._model).eval()
        self._optimizers = _optimizers(
            [*self._model.named_parameters(), *self._dense.layers.named_parameters()]
        )
        self._held_out = self._draw_held_out(np.random.default_rng([seed, 1]))

    def run(self, folder: Path) -> None:
        """All steps; the history grows and the checkpoint is written every few hundred, and at the end."""
        folder.mkdir(parents=True, exist_ok=True)
        began_s = time.monotonic()
        with (folder / "history.jsonl").open("w", encoding="utf-8") as history:
            for record in chain(self._learn_words(), self._learn_answers()):
                record["seconds"] = round(time.monotonic() - began_s, 1)
                history.write(json.dumps(record) + "\n")
                history.flush()
                print(json.dumps(record), flush=True)
                self._save(folder)

    def _learn_words(self) -> Iterator[dict[str, float]]:
        """The first stage: pictures and words meet, patch by patch."""
        pool: list[Example] = []
        told = _Told(self._n_word_steps)
        for step in range(1, self._n_word_steps + 1):
            taste = taste_at(step / self._n_word_steps)
            n_new = WORD_BATCH if len(pool) < 4 * WORD_BATCH else WORD_BATCH // 3
            pool += [example(self._rng, taste, 0, with_boxes=False) for _ in range(n_new)]
            del pool[:-WORD_POOL]
            chosen = self._rng.choice(len(pool), WORD_BATCH, replace=False)
            batch = collate([pool[number] for number in chosen], self._tokenizer, self._device)
            loss = self._dense.loss(self._model, see(self._model, batch.pixels), batch, self._rng)[0]
            self._update(loss, step, _share_of_rate(step, self._n_word_steps, end=0.1), is_first_stage=True)
            if losses := told.after(step, {"dense": float(loss.detach())}):
                yield {"step": step, **losses, "patches_right": self._patches_right()}

    def _learn_answers(self) -> Iterator[dict[str, float]]:
        """The second stage: questions and answers."""
        told = _Told(self._n_steps)
        for step in range(1, self._n_steps + 1):
            if losses := told.after(step, self._step(step)):
                measures = quick_measures(self._mean, self._held_out)
                yield {"step": self._n_word_steps + step, **losses, **measures}

    def _patches_right(self) -> float:
        """The share of the patches on things, of held-out pictures, that name their kind."""
        with torch.no_grad():
            shares = [
                self._dense.loss(self._mean, see(self._mean, batch.pixels), batch, self._rng)[1]
                for batch in self._held_out
            ]
        return round(float(np.mean(shares)), 4)

    def _step(self, step: int) -> dict[str, float]:
        progress = step / self._n_steps
        with_boxes = step % BOX_STEPS == 0
        examples = [example(self._rng, taste_at(1.0), PROMPTS, with_boxes=with_boxes) for _ in range(BATCH)]
        batch = collate(examples, self._tokenizer, self._device)
        vision = see(self._model, batch.pixels)
        parts = set_loss(ask(self._model, vision, batch), batch.answers)
        dense, _ = self._dense.loss(self._model, vision, batch, self._rng)
        loss = weighted(parts) + DENSE_WEIGHT * (1 - 0.8 * progress) * dense
        self._update(loss, step, _share_of_rate(step, self._n_steps, end=0.01), is_first_stage=False)
        return {name: float(value.detach()) for name, value in (parts | {"dense": dense}).items()}

    def _update(self, loss: Tensor, step: int, rate: float, *, is_first_stage: bool) -> None:
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate * (1.0 if is_first_stage else group["share"])
            optimizer.step()
            optimizer.zero_grad()
        move_mean(self._mean, self._model, step, most_kept=MEAN_KEEPS, ease=20)

    def _draw_held_out(self, rng: np.random.Generator) -> list[Batch]:
        """Batches that the training never draws."""
        examples = [example(rng, taste_at(1.0), PROMPTS, with_boxes=False) for _ in range(96)]
        return [collate(examples[i : i + 16], self._tokenizer, self._device) for i in range(0, 96, 16)]

    def _save(self, folder: Path) -> None:
        """Write the mean weights in half precision."""
        with replace_files(folder) as scratch:
            copy.deepcopy(self._mean).half().save_pretrained(scratch)
            self._processor.save_pretrained(scratch)


class _Told:
    """The losses of late: printed every few steps, and given for the history every few more.

    Args:
        n_steps: Of the stage.
    """

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self._began_s = time.monotonic()
        self._recent: dict[str, float] = {}

    def after(self, step: int, losses: dict[str, float]) -> dict[str, float] | None:
        """What this step cost; the losses of late when it is time to look at held-out pictures."""
        for name, value in losses.items():
            self._recent[name] = 0.98 * self._recent.get(name, value) + 0.02 * value
        if step % TELL_EVERY == 0:
            passed_s = time.monotonic() - self._began_s
            left_min = passed_s / step * (self._n_steps - step) / 60
            values = " ".join(f"{name} {value:.3f}" for name, value in self._recent.items())
            print(f"step {step}/{self._n_steps}, {left_min:.1f} min of this stage left: {values}", flush=True)
        if step % CHECK_EVERY and step != self._n_steps:
            return None
        return {name: round(value, 4) for name, value in self._recent.items()}


def taste_at(progress: float) -> Taste:
    """From large and lonely things to the whole range."""
    ease = max(0.0, 1.0 - progress / EASY_UNTIL)
    return Taste(
        n_things=(1, 2 + round(4 * (1 - ease))),
        sizes=(0.2 + 0.2 * ease, 0.65),
        repeats=0.35,
        bars=0.25 * (1 - ease),
    )


def _optimizers(named: Sequence[tuple[str, Any]]) -> list[Any]:
    """What moves the weights.

    Muon (Jordan and others, 2024) makes the steps of the layers' matrices orthogonal; here the patches
    learn their names in less than half of the steps that AdamW alone takes.
    """
    inner: dict[float, list[Any]] = {}
    others: dict[tuple[float, float], list[Any]] = {}
    for name, weight in named:
        share = next((share for start, share in LEARNT.items() if name.startswith(start)), 1.0)
        if weight.dim() == 2 and ".layers." in name:
            inner.setdefault(share, []).append(weight)
        else:
            others.setdefault((share, WEIGHT_DECAY if weight.dim() >= 2 else 0.0), []).append(weight)
    adam = [
        {"params": weights, "weight_decay": decay, "share": share, "peak": PEAK_RATE}
        for (share, decay), weights in others.items()
    ]
    muon = [
        {"params": weights, "weight_decay": WEIGHT_DECAY, "share": share, "peak": MATRIX_RATE}
        for share, weights in inner.items()
    ]
    return [torch.optim.AdamW(adam, PEAK_RATE, betas=(0.9, 0.98)), torch.optim.Muon(muon, MATRIX_RATE)]


def _share_of_rate(step: int, n_steps: int, end: float) -> float:
    return share_of_rate(step, n_steps, min(WARM_UP, n_steps // 4), end=end)


if __name__ == "__main__":
    main()
