"""How well the models did on the generated video, whose truth is known."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from komadori.cli.answers import Annotation, Frame, Hit
from komadori.core.masks import Rle
from komadori.core.types import JsonDict
from komadori.demo_world import measures, offsets
from komadori.demo_world.kinds import kinds_called
from komadori.demo_world.measures import SEEN_FROM, Case
from komadori.demo_world.offsets import Shift
from komadori.demo_world.truth import TrueFrame, Truth

FIRST_HITS = 5


@dataclass(frozen=True, slots=True)
class SearchQuality:
    """The hits of several searches against the truth.

    Attributes:
        n: How many searches.
        precision: The mean share of right ones among the first five hits, or among the first so many as
            there are right ones, where these are fewer.
        first_right: The share of searches whose best hit is right.
    """

    n: int
    precision: float
    first_right: float

    def as_json(self) -> JsonDict:
        """For ``summary.json``."""
        return {
            "searches": self.n,
            "precision_at_5": _number(self.precision),
            "recall_at_1": _number(self.first_right),
        }


@dataclass(frozen=True, slots=True)
class ComparedFrame:
    """What was asked for in a frame: what is there, and what was found.

    Attributes:
        frame: The frame.
        true_names: The prompt that each of N things answers.
        true_masks: N masks.
        visible: (N,) float32, the share of each thing that is seen.
        found: M proposals.
        iou: (M,) float64, of each with the thing that it belongs to; 0 where there is none.
        is_missed: (N,) bool, things that are seen well enough and were not found.
        offsets: Of the pairs whose outlines tell.
    """

    frame: Frame
    true_names: Sequence[str]
    true_masks: Sequence[Rle]
    visible: NDArray[np.float32]
    found: Sequence[Annotation]
    iou: NDArray[np.float64]
    is_missed: NDArray[np.bool_]
    offsets: Sequence[offsets.Offset]

    @property
    def missed(self) -> list[str]:
        """The names of the things that were not found."""
        return [name for name, missed in zip(self.true_names, self.is_missed, strict=True) if missed]

    @property
    def fitting(self) -> list[Annotation]:
        """The proposals that belong to a thing."""
        return [found for found, iou in zip(self.found, self.iou, strict=True) if iou > 0]


@dataclass(frozen=True, slots=True)
class MaskQuality:
    """All proposals of the generated video against the truth.

    Attributes:
        n_true: Things that were asked for and are seen well enough, over all frames.
        precision: The share of proposals that belong to one; NaN without proposals.
        recall: The share of them that were found.
        mean_iou: Of the proposals that belong to one; NaN without any.
        shift: Their mean offset in pixels.
        absent: How many proposals there are for prompts that nothing in the video answers.
    """

    n_true: int
    precision: float
    recall: float
    mean_iou: float
    shift: Shift
    absent: Mapping[str, int]

    def as_json(self) -> JsonDict:
        """For ``summary.json``."""
        return {
            "things": self.n_true,
            "precision": _number(self.precision),
            "recall": _number(self.recall),
            "mean_iou": _number(self.mean_iou),
            "offset_px": [_number(self.shift.dx), _number(self.shift.dy)],
            "offset_standard_error_px": [_number(self.shift.dx_se), _number(self.shift.dy_se)],
            "offset_instances": self.shift.n,
            "proposals_of_absent_kinds": dict(self.absent),
        }


def showing(truth: Truth, frames: Sequence[Frame], name: str) -> set[str]:
    """The ids of the frames in which a thing of that name is seen well enough."""
    wanted = kinds_called(name)
    found = set()
    for frame in frames:
        true = truth.at(frame.pts)
        names = np.array(true.names)[true.visibility >= SEEN_FROM].tolist()
        if wanted.intersection(names):
            found.add(frame.id)
    return found


def measure_search(searches: Sequence[tuple[Sequence[Hit], Collection[str]]]) -> SearchQuality:
    """Of each search the hits, best first, and the ids of all frames that answer it, at least one."""
    ranked = [([hit.frame_id for hit in hits], right) for hits, right in searches]
    precisions = [measures.precision_at(min(FIRST_HITS, len(right)), ids, right) for ids, right in ranked]
    mean = float(np.mean(precisions)) if precisions else math.nan
    return SearchQuality(len(ranked), mean, measures.recall_at_1(ranked))


def compare(
    truth: Truth, frames: Sequence[Frame], proposals: Sequence[Annotation], prompts: Sequence[str]
) -> list[ComparedFrame]:
    """Each frame with what is there of the prompted kinds and what was proposed, matched one to one."""
    return [
        _compared(frame, truth.at(frame.pts), [a for a in proposals if a.frame_id == frame.id], prompts)
        for frame in frames
    ]


def measure_masks(compared: Sequence[ComparedFrame], prompts: Sequence[str]) -> MaskQuality:
    """The measures of all proposals together."""
    cases = [_case(one, prompt) for one in compared for prompt in prompts]
    curve = measures.curve(cases)
    precision, recall = curve.at_threshold(0.0)
    overlaps = np.concatenate([np.empty(0), *(one.iou[one.iou > 0] for one in compared)])
    there = {name for one in compared for name in one.true_names}
    found = [proposal.class_name for one in compared for proposal in one.found]
    return MaskQuality(
        n_true=curve.n_truth,
        precision=precision,
        recall=recall,
        mean_iou=float(overlaps.mean()) if len(overlaps) else math.nan,
        shift=offsets.shift([offset for one in compared for offset in one.offsets]),
        absent={prompt: found.count(prompt) for prompt in prompts if prompt not in there},
    )


def _compared(
    frame: Frame, true: TrueFrame, found: Sequence[Annotation], prompts: Sequence[str]
) -> ComparedFrame:
    asked = [(prompt, i) for prompt in prompts for i in _answering(true, prompt)]
    names, positions = [name for name, _ in asked], [i for _, i in asked]
    iou = np.zeros(len(found))
    is_missed = true.visibility[positions] >= SEEN_FROM
    apart = []
    for prompt in prompts:
        own = [n for n, name in enumerate(names) if name == prompt]
        theirs = [n for n, proposal in enumerate(found) if proposal.class_name == prompt]
        own_masks = [true.rles[positions[n]] for n in own]
        their_masks = [mask_of(found[n]) for n in theirs]
        pairs = measures.match(own_masks, their_masks)
        for i, j, overlap in zip(pairs.truth, pairs.found, pairs.iou, strict=True):
            iou[theirs[j]] = overlap
            is_missed[own[i]] = False
            offset = offsets.offset(own_masks[i], their_masks[j])
            apart += [offset] if offset else []
    masks = [true.rles[i] for i in positions]
    return ComparedFrame(frame, names, masks, true.visibility[positions], found, iou, is_missed, apart)


def _answering(true: TrueFrame, prompt: str) -> list[int]:
    """Which things of a frame a prompt means."""
    wanted = kinds_called(prompt)
    return [i for i, name in enumerate(true.names) if name in wanted]


def _case(compared: ComparedFrame, prompt: str) -> Case:
    own = [i for i, name in enumerate(compared.true_names) if name == prompt]
    found = [proposal for proposal in compared.found if proposal.class_name == prompt]
    return Case(
        [compared.true_masks[i] for i in own],
        compared.visible[own],
        [mask_of(proposal) for proposal in found],
        [proposal.confidence or 0.0 for proposal in found],
    )


def mask_of(annotation: Annotation) -> Rle:
    """The mask of a proposal, which always has one."""
    assert annotation.segmentation is not None
    return Rle.from_coco(annotation.segmentation.model_dump())


def _number(value: float) -> float | None:
    """Rounded, and None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 4)
