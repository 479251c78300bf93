"""What each patch and each fine cell is asked, by layers that only the training has."""

import math
from typing import Any

import numpy as np
import torch
from scripts.demo_training.sam3_batches import KIND_NUMBERS, Batch
from scripts.demo_training.sam3_model import GRID, HIDDEN, PATCH, SIDE, WIDTH, cell_centres
from torch import Tensor, nn
from torch.nn import functional

from komadori.demo_world.kinds import groups, kinds

NOTHING_WEIGHT = 0.15
"""How much a patch that shows nothing counts beside one that shows a thing."""


class DenseHeads:
    """Compares patches with words, and looks for things in fine cells."""

    def __init__(self, tokenizer: Any, device: torch.device) -> None:
        self._tokenizer = tokenizer
        self._device = device
        self.layers = nn.ModuleDict(
            {
                "norm": nn.LayerNorm(HIDDEN),
                "patch": nn.Linear(HIDDEN, HIDDEN),
                "word": nn.Linear(HIDDEN, HIDDEN),
                "nothing": nn.Linear(HIDDEN, 1),
                "kind": nn.Linear(WIDTH, len(KIND_NUMBERS) + 1),
                "thing": nn.Conv2d(HIDDEN, 1, 1),
                "box": nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 6)),
            }
        ).to(device)
        self._is_of_group = _group_table().to(device)

    def loss(self, model: Any, vision: Any, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, float]:
        """How badly patches name what they show.

        Args:
            model: Whose text encoder reads the names.
            vision: The model's features of the batch's pictures.
            batch: The pictures with their truth.
            rng: Chooses among the names of a kind.

        Returns:
            The loss, and the share of the patches on things whose likeliest name is right.
        """
        wanted = _kinds_of_patches(batch)
        coarse, fine = vision.fpn_hidden_states[2], vision.fpn_hidden_states[0]
        patches = self.layers["norm"](coarse.flatten(2).transpose(1, 2).reshape(-1, HIDDEN))
        words = self.layers["word"](self._words(model, rng))
        likeness = self.layers["patch"](patches) @ words.T / math.sqrt(HIDDEN)
        by_name, by_group = likeness.split([len(KIND_NUMBERS), len(groups())], dim=1)
        named = torch.cat([self.layers["nothing"](patches), by_name], dim=1)
        numbered = self.layers["kind"](vision.last_hidden_state.reshape(-1, WIDTH))
        losses = (
            functional.cross_entropy(named, wanted, reduction="none")
            + 0.5 * functional.cross_entropy(numbered, wanted, reduction="none")
            + _bce(by_group, self._is_of_group[wanted], reduction="none").mean(1)
        )
        weights = torch.where(wanted > 0, 1.0, NOTHING_WEIGHT)
        things = functional.interpolate(self.layers["thing"](fine), size=(SIDE, SIDE), mode="bilinear")
        total = (losses * weights).sum() / weights.sum()
        total = total + _bce(things[:, 0], (batch.kind_map > 0).float())
        total = total + self._box_loss(patches, batch)
        return total, float((named.argmax(1) == wanted)[wanted > 0].float().mean())

    def _box_loss(self, patches: Tensor, batch: Batch) -> Tensor:
        """How badly patches tell where they are, and how far the thing they show reaches to each side."""
        said = self.layers["box"](patches)
        centre = cell_centres(GRID).repeat(len(batch.pixels), 1).to(self._device)
        place = (said[:, 4:] - centre).abs().sum(1).mean()
        boxes = _boxes_of_patches(batch)
        on_things = boxes[:, 2] > 0
        reach = torch.cat([centre - boxes[:, :2], boxes[:, 2:] - centre], dim=1)
        extent = (said[on_things, :4] - reach[on_things]).abs().sum(1).mean()
        return 3.0 * place + 3.0 * extent

    def _words(self, model: Any, rng: np.random.Generator) -> Tensor:
        """(K + G, HIDDEN) the model's text features of every kind and group, by a random name of each."""
        names = [kind.english[int(rng.integers(len(kind.english)))] for kind in kinds()]
        names += [group.name for group in groups()]
        tokens = self._tokenizer(names, padding="longest", return_tensors="pt").to(self._device)
        mask = tokens["attention_mask"].unsqueeze(-1)
        features = model.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        return (features * mask).sum(1) / mask.sum(1)


def _kinds_of_patches(batch: Batch) -> Tensor:
    """(B * GRID * GRID,) the number of the kind that fills a sixth of each patch or more, else 0."""
    n = len(batch.pixels)
    pixels = batch.kind_map.reshape(n, GRID, PATCH, GRID, PATCH).permute(0, 1, 3, 2, 4).flatten(3)
    is_filled = (pixels > 0).sum(3) >= PATCH * PATCH // 6
    return torch.where(is_filled, pixels.amax(3), 0).flatten()


def _boxes_of_patches(batch: Batch) -> Tensor:
    """(B * GRID * GRID, 4) the box of the thing at the middle of each patch; 0 where there is none."""
    middle = batch.box_map[:, PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]
    return middle.reshape(-1, 4)


def _group_table() -> Tensor:
    """(K + 1, G) whether each kind is of each group; nothing is of none."""
    table = [[float(name in group.kinds) for group in groups()] for name in KIND_NUMBERS]
    return torch.tensor([[0.0] * len(groups()), *table])


_bce = functional.binary_cross_entropy_with_logits
