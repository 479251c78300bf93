"""What was found in the generated clips: as the API lists it, and as an exported dataset has it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from komadori.core.masks import Rle, encode
from komadori.demo_world.truth import TrueFrame
from tests.support.truth import ABSENT
from tests.support.truth_masks import Question
from tests.support.truth_ways import Outcome, Shown


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Which frame of which video a picture is."""

    video_name: str
    pts: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A COCO dataset, read by the field's own tool.

    Attributes:
        coco: The instances.
        ledger: Where each picture comes from, by its file name.
    """

    coco: COCO
    ledger: Mapping[str, LedgerEntry]

    @property
    def names(self) -> dict[int, str]:
        """The class names by the numbers of the categories."""
        return {one["id"]: one["name"] for one in self.coco.cats.values()}

    def frame_of(self, annotation: Mapping[str, Any]) -> LedgerEntry:
        """The frame that an annotation is about."""
        return self.ledger[self.coco.imgs[annotation["image_id"]]["file_name"]]


def read_dataset(directory: Path) -> Dataset:
    """The dataset in a folder."""
    records = [json.loads(line) for line in (directory / "ledger.jsonl").read_text("utf-8").splitlines()]
    ledger = {one["file_name"]: LedgerEntry(one["video_name"], one["pts"]) for one in records}
    return Dataset(COCO(str(directory / "annotations" / "instances_default.json")), ledger)


def exported(outcome: Outcome) -> list[Question]:
    """What the dataset says to each question."""
    dataset = read_dataset(outcome.dataset)
    answers: dict[tuple[LedgerEntry, str], list[dict[str, Any]]] = {}
    for one in dataset.coco.anns.values():
        key = dataset.frame_of(one), dataset.names[one["category_id"]]
        answers.setdefault(key, []).append(one)
    return [
        _exported(
            dataset.coco, frame, prompt, answers.get((LedgerEntry(shown.video.name, frame.pts), prompt), [])
        )
        for shown in outcome.shown
        for frame, prompt in _asked(shown)
    ]


def proposed(shown: Sequence[Shown]) -> list[Question]:
    """What the API says to each question about these clips."""
    return [_proposed(one, frame, prompt) for one in shown for frame, prompt in _asked(one)]


def _asked(shown: Shown) -> list[tuple[TrueFrame, str]]:
    """Every frame of a clip, asked for each kind of the clip and for one that it does not show."""
    prompts = (*shown.footage.clip.kinds, ABSENT)
    return [(frame, prompt) for frame in shown.footage.truth.frames for prompt in prompts]


def _exported(coco: COCO, frame: TrueFrame, prompt: str, found: Sequence[dict[str, Any]]) -> Question:
    masks = [encode(coco.annToMask(one).astype(np.bool_)) for one in found]
    xywh = np.array([one["bbox"] for one in found], np.float64).reshape(-1, 4)
    boxes_xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return Question(frame, prompt, masks, boxes_xyxy, np.array([one["score"] for one in found]))


def _proposed(shown: Shown, frame: TrueFrame, prompt: str) -> Question:
    [frame_id] = [one.id for one in shown.frames if one.pts == frame.pts]
    found = [one for one in shown.proposals if (one.frame_id, one.class_name) == (frame_id, prompt)]
    masks = [Rle.from_coco(one.segmentation.model_dump()) for one in found if one.segmentation is not None]
    boxes_xyxy = np.array([one.bbox_xyxy for one in found], np.float64).reshape(-1, 4)
    return Question(frame, prompt, masks, boxes_xyxy, np.array([one.confidence or 0.0 for one in found]))
