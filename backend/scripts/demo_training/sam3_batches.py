"""Pictures and questions as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scripts.demo_training.captions import class_numbers
from scripts.demo_training.sam3_model import boxes_to_cxcywh
from scripts.demo_training.sam3_scenes import Example
from torch import Tensor

KIND_NUMBERS = {name: number + 1 for name, number in class_numbers().items()}
"""The number of each kind in a map of pixels, where 0 is none of them."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is to be said.

    Attributes:
        boxes: For each question (T, 4) float32 cxcywh in 0 to 1.
        masks: For each question (T, H, W) float32.
    """

    boxes: Sequence[Tensor]
    masks: Sequence[Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """B pictures with N questions in all, as tensors.

    Attributes:
        pixels: (B, 3, SIDE, SIDE) in -1 to 1.
        picture_of: (N,) the picture that each question is about.
        inputs: Tokens, their mask, and example boxes.
        answers: What is to be found.
        kind_map: (B, SIDE, SIDE) the kind's number at each pixel, 0 for none.
        box_map: (B, SIDE, SIDE, 4) the box, xyxy in 0 to 1, of the thing at each pixel; 0 for none.
    """

    pixels: Tensor
    picture_of: Tensor
    inputs: dict[str, Tensor]
    answers: Answers
    kind_map: Tensor
    box_map: Tensor


def collate(examples: Sequence[Example], tokenizer: Any, device: torch.device) -> Batch:
    """The examples as tensors."""
    images = torch.from_numpy(np.stack([e.image for e in examples])).to(device)
    prompts = [(number, prompt) for number, e in enumerate(examples) for prompt in e.prompts]
    inputs = {}
    if prompts:
        tokens = tokenizer([prompt.text for _, prompt in prompts], padding="longest", return_tensors="pt")
        inputs = {name: tokens[name].to(device) for name in ("input_ids", "attention_mask")}
    n_boxes = max((len(prompt.boxes) for _, prompt in prompts), default=0)
    if n_boxes:
        boxes = torch.full((len(prompts), n_boxes, 4), 0.5)
        labels = torch.full((len(prompts), n_boxes), -10)
        for row, (number, prompt) in enumerate(prompts):
            n = len(prompt.boxes)
            boxes[row, :n] = boxes_to_cxcywh(torch.from_numpy(examples[number].boxes[list(prompt.boxes)]))
            labels[row, :n] = torch.tensor(prompt.box_labels)
        inputs |= {"input_boxes": boxes.to(device), "input_boxes_labels": labels.to(device)}
    masks = [torch.from_numpy(e.masks).to(device, torch.float32) for e in examples]
    true_boxes = [torch.from_numpy(e.boxes).to(device) for e in examples]
    answers = Answers(
        [boxes_to_cxcywh(true_boxes[number][list(prompt.targets)]) for number, prompt in prompts],
        [masks[number][list(prompt.targets)] for number, prompt in prompts],
    )
    return Batch(
        images.permute(0, 3, 1, 2).float() / 127.5 - 1.0,
        torch.tensor([number for number, _ in prompts], device=device),
        inputs,
        answers,
        torch.from_numpy(np.stack([_kind_map(e) for e in examples])).to(device),
        torch.from_numpy(np.stack([_box_map(e) for e in examples])).to(device),
    )


def _kind_map(e: Example) -> NDArray[np.int64]:
    numbers = np.array([KIND_NUMBERS[name] for name in e.kinds], np.int64)
    numbered: NDArray[np.int64] = (e.masks * numbers[:, None, None]).max(0)
    return numbered


def _box_map(e: Example) -> NDArray[np.float32]:
    boxes = np.zeros((*e.masks.shape[1:], 4), np.float32)
    for mask, box in zip(e.masks, e.boxes, strict=True):
        boxes[mask] = box
    return boxes
