"""Measures a SAM 3 checkpoint on frames that its training never saw, through the product's own adapter.

    cd backend && python -m scripts.demo_training.measure_sam3 --checkpoint FOLDER [--frames N] [--out FILE]

Frames of full size in many shapes, spoilt, written as JPEG and read again; prompts as a person gives
them. What of a thing is seen less than 30 % counts neither as found nor as missed.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scripts.demo_training.measure_clicks import click_measures
from scripts.demo_training.sam3_presence import presence_scores
from scripts.demo_training.sam3_questions import (
    KEPT_FROM,
    Answer,
    Question,
    ask,
    of_theme,
    questions_of_boxes,
    questions_of_families,
    questions_of_words,
)
from scripts.demo_training.unseen_frames import TrueFrame, frames, frames_of_families

from komadori.core.types import JsonDict
from komadori.demo_world.kinds import kinds
from komadori.demo_world.measures import SEEN_FROM, Matching, curve, match, mean_iou
from komadori.demo_world.offsets import mean_shift, offset
from komadori.ml.segmenters import sam3
from komadori.ml.segmenters.base import ConceptSegmenter

SEED = 20261125
"""Of the frames; the trainings draw from others."""

N_FRAMES = 400
PRECISION = 0.85
ABSENT_PER_FRAME = 3
FRAMES_PER_FAMILY_FRAME = 3
"""For so many frames of any things there is one of things that differ in colour alone."""

FRAMES_PER_CLICKED_FRAME = 4
"""On so many frames there is one whose things are clicked on: each of them takes five answers."""

DIGITS = 4


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write ``measures.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=N_FRAMES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, help="measures.json in the checkpoint's folder when left out")
    arguments = parser.parse_args(argv)
    began_s = time.monotonic()
    measures = measure_checkpoint(arguments.checkpoint, arguments.seed, arguments.frames, arguments.device)
    out = arguments.out or arguments.checkpoint / "measures.json"
    out.write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in measures.items() if name != "per_kind"}, indent=1))
    print(f"{time.monotonic() - began_s:.0f} s; written to {out}")


def measure_checkpoint(
    folder: Path, seed: int = SEED, n_frames: int = N_FRAMES, device: str = "cpu"
) -> JsonDict:
    """What the checkpoint in ``folder`` is worth; about half a second of one CPU core for each frame.

    Raises:
        ModelError: The folder is no complete checkpoint of SAM 3.
        DependencyError: This machine does not have the device.
    """
    segmenter = sam3.create(folder, device=device, threads=1 if device == "cpu" else None)
    plain, special = collect_answers(segmenter, seed, n_frames)
    asked = usual_answers(plain, seed)
    everything = [*plain, *special]
    measures: JsonDict = _tidy(
        {
            "seed": seed,
            "frames": n_frames,
            "device": segmenter.device_name,
            **found_measures(asked),
            "all_names": found_measures(of_theme(plain, {"name"})),
            "synonyms": found_measures(of_theme(plain, {"synonym"})),
            "groups": found_measures(of_theme(everything, {"group"})),
            "families": found_measures(of_theme(special, {"name"})),
            "boxes": _box_measures(everything),
            "absent": _absent_measures(everything),
            "offset_cells": _offset_in_cells(asked, _mask_grid(folder)),
            "by_shape": _by_shape(asked),
            "presence": _presence_measures(folder, seed, n_frames),
            "clicks": click_measures(segmenter, frames(seed, math.ceil(n_frames / FRAMES_PER_CLICKED_FRAME))),
            "per_kind": _per_kind(plain),
        }
    )
    return measures


def collect_answers(
    segmenter: ConceptSegmenter, seed: int, n_frames: int
) -> tuple[list[Answer], list[Answer]]:
    """All answers on frames of any things, and on those of things that differ in colour alone."""
    rng = np.random.default_rng([seed, 2])

    def usual(frame: TrueFrame) -> Iterable[Question]:
        return [*questions_of_words(frame, rng), *questions_of_boxes(frame, rng)]

    def of_families(frame: TrueFrame) -> Iterable[Question]:
        return [*questions_of_families(frame), *questions_of_boxes(frame, rng)]

    n_special = math.ceil(n_frames / FRAMES_PER_FAMILY_FRAME)
    return (
        _asked_of_all(segmenter, frames(seed, n_frames), usual),
        _asked_of_all(segmenter, frames_of_families(seed, n_special), of_families),
    )


def usual_answers(answers: Sequence[Answer], seed: int) -> list[Answer]:
    """To what one would ask: the names of what is there, and some of what is not.

    A near miss, such as "green apple" where there is a red one, comes first among what is not there.
    """
    rng = np.random.default_rng([seed, 3])
    chosen: list[Answer] = []
    absent: dict[int, list[Answer]] = {}
    for answer in of_theme(answers, {"name"}):
        if answer.is_absent:
            absent.setdefault(id(answer.frame), []).append(answer)
        else:
            chosen.append(answer)
    for candidates in absent.values():
        order = rng.permutation(len(candidates))
        nearest = sorted(order, key=lambda n: not candidates[n].question.has_near_miss)
        chosen += [candidates[n] for n in nearest[:ABSENT_PER_FRAME]]
    return chosen


def found_measures(answers: Sequence[Answer]) -> JsonDict:
    """Of all answers together: masks, and precision and recall where scores of 0.5 are kept, and over all."""
    whole = curve([answer.case for answer in answers])
    precision, recall = whole.at_threshold(KEPT_FROM)
    matchings = [matched(answer) for answer in answers]
    overlaps = sum(float(matching.iou.sum()) for matching in matchings)
    good = np.flatnonzero(whole.precision >= PRECISION)
    return {
        "questions": len(answers),
        "instances": whole.n_truth,
        "mean_iou": mean_iou(matchings),
        "mean_iou_missed_as_0": overlaps / whole.n_truth if whole.n_truth else math.nan,
        "precision": precision,
        "recall": recall,
        "recall_at_precision_85": whole.recall_at(PRECISION),
        "threshold_at_precision_85": float(whole.scores[good[-1]]) if len(good) else math.nan,
        "average_precision": whole.average_precision,
    }


def matched(answer: Answer) -> Matching:
    """The pairs of what is kept with what is there and seen well enough."""
    case = answer.case
    pairs = match(case.truth, answer.kept)
    is_counted = np.asarray(case.visible)[pairs.truth] >= SEEN_FROM
    return Matching(pairs.truth[is_counted], pairs.found[is_counted], pairs.iou[is_counted])


def _asked_of_all(
    segmenter: ConceptSegmenter,
    unseen: Iterable[TrueFrame],
    questions: Callable[[TrueFrame], Iterable[Question]],
) -> list[Answer]:
    return [answer for frame in unseen for answer in ask(segmenter, frame, list(questions(frame)))]


def _box_measures(answers: Sequence[Answer]) -> JsonDict:
    like, like_not, not_that = (
        of_theme(answers, {theme}) for theme in ("like this", "like this, not that", "not that")
    )
    return {
        "like_this": found_measures(like),
        "like_this_not_that": found_measures(like_not) | {"unlike_found": _share_of_unlike(like_not)},
        "word_not_that": found_measures(not_that) | {"unlike_found": _share_of_unlike(not_that)},
    }


def _share_of_unlike(answers: Sequence[Answer]) -> float:
    """The share of the things "not such as that" that are found all the same."""
    n_unlike = n_found = 0
    for answer in answers:
        unlike = [n for n in answer.question.unlike if answer.frame.visible[n] >= SEEN_FROM]
        n_unlike += len(unlike)
        n_found += len(match([answer.frame.masks[n] for n in unlike], answer.kept).truth)
    return n_found / n_unlike if n_unlike else math.nan


def _absent_measures(answers: Sequence[Answer]) -> JsonDict:
    """How sure the model is of what is not there, by theme, and of what is there for comparison."""
    names = of_theme(answers, {"name"})
    absent = [answer for answer in names if answer.is_absent]
    return {
        "names": _best_scores(absent),
        "near_misses": _best_scores([answer for answer in absent if answer.question.has_near_miss]),
        "groups": _best_scores([answer for answer in of_theme(answers, {"group"}) if answer.is_absent]),
        "taught_words": _best_scores(of_theme(answers, {"taught word"})),
        "unheard_words": _best_scores(of_theme(answers, {"unheard word"})),
        "present_names": _best_scores([answer for answer in names if answer.is_present]),
    }


def _presence_measures(folder: Path, seed: int, n_frames: int) -> JsonDict:
    """The model's own presence scores of a kind that is there and of one that is not."""
    present, absent = presence_scores(folder, frames(seed, n_frames), seed)
    return {
        "right": float(np.append(present > KEPT_FROM, absent <= KEPT_FROM).mean()),
        "median_present": float(np.median(present)) if len(present) else math.nan,
        "median_absent": float(np.median(absent)),
        "mean_absent": float(absent.mean()),
        "percentile_95_absent": float(np.percentile(absent, 95)),
    }


def _best_scores(answers: Collection[Answer]) -> JsonDict:
    best = np.array([answer.best_score for answer in answers] or [math.nan])
    return {
        "questions": len(answers),
        "share_found": float((best >= KEPT_FROM).mean()) if answers else math.nan,
        "median": float(np.median(best)),
        "percentile_95": float(np.percentile(best, 95)),
    }


def _offset_in_cells(answers: Sequence[Answer], grid_hw: tuple[int, int]) -> JsonDict:
    """The mean offset of the matched masks, in cells of the grid in which the model draws them."""
    values = []
    for answer in answers:
        truth, kept, pairs = answer.case.truth, answer.kept, matched(answer)
        for true, found in zip(pairs.truth, pairs.found, strict=True):
            one = offset(truth[true], kept[found])
            if one is not None:
                values.append(one.in_cells(answer.frame.size_hw, grid_hw))
    mean = mean_shift(np.array(values, np.float64).reshape(-1, 2))
    return {
        "dx": mean.dx,
        "dy": mean.dy,
        "dx_se": mean.dx_se,
        "dy_se": mean.dy_se,
        "instances": mean.n,
        "cells": list(grid_hw),
    }


def _mask_grid(folder: Path) -> tuple[int, int]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows, columns = config["vision_config"]["backbone_feature_sizes"][0]
    return int(rows), int(columns)


def _by_shape(answers: Sequence[Answer]) -> JsonDict:
    shapes = sorted({answer.frame.size_hw for answer in answers})
    table = {}
    for height, width in shapes:
        here = found_measures([answer for answer in answers if answer.frame.size_hw == (height, width)])
        table[f"{width}x{height}"] = {name: here[name] for name in ("instances", "mean_iou", "recall")}
    return table


def _per_kind(answers: Sequence[Answer]) -> JsonDict:
    """Precision counts the answers on all frames, also those without the kind."""
    wanted = ("instances", "mean_iou", "precision", "recall", "average_precision")
    table = {}
    for kind in kinds():
        of_kind = [a for a in of_theme(answers, {"name"}) if a.question.prompt.class_name == kind.name]
        here = found_measures(of_kind)
        table[kind.name] = {name: here[name] for name in wanted}
    return table


def _tidy(value: Any) -> Any:
    """The same with floats rounded, and null for what was measured on nothing."""
    if isinstance(value, dict):
        return {name: _tidy(part) for name, part in value.items()}
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
