"""What a SAM 3 checkpoint draws on unseen frames: at its best, at its worst, and after example boxes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scripts.demo_training.measure_sam3 import matched
from scripts.demo_training.sam3_questions import (
    KEPT_FROM,
    Answer,
    Theme,
    ask,
    of_theme,
    questions_of_boxes,
    questions_of_words,
)
from scripts.demo_training.unseen_frames import frames, frames_of_families

from komadori.cli.pictures import DrawnObject, contact_sheet, draw_overlay
from komadori.core.types import Image as Pixels
from komadori.ml.segmenters.base import ConceptSegmenter

COLUMNS = 4
_LIKE = (60, 200, 90)
_UNLIKE = (225, 50, 50)
_BOX_THEMES: tuple[Theme, ...] = ("like this", "like this, not that", "not that")


def sam3_sheets(
    segmenter: ConceptSegmenter, seed: int, n_frames: int, n_tiles: int
) -> dict[str, Image.Image]:
    """Sheets by name: ``typical``, ``best``, ``worst``, ``invented`` and ``boxes``.

    What was found is tinted, the truth is a dotted white outline. ``typical`` takes any questions,
    ``worst`` those whose answers fit least, ``invented`` the surest finds of what is not there.
    """
    answers = _answers(segmenter, seed, n_frames)
    named = [answer for answer in of_theme(answers, {"name"}) if answer.is_present]
    by_fit = sorted(named, key=fit)
    absent = [a for a in of_theme(answers, {"name"}) if a.is_absent and a.best_score >= KEPT_FROM]
    rng = np.random.default_rng([seed, 5])
    boxes = [a for theme in _BOX_THEMES for a in _some(rng, of_theme(answers, {theme}), n_tiles // 3)]
    chosen = {
        "typical": _some(rng, named, n_tiles),
        "best": by_fit[::-1][:n_tiles],
        "worst": by_fit[:n_tiles],
        "invented": sorted(absent, key=lambda answer: -answer.best_score)[:n_tiles],
        "boxes": boxes,
    }
    return {name: _sheet(some) for name, some in chosen.items() if some}


def fit(answer: Answer) -> float:
    """The sum of the IoU of all right pairs, divided by how many things are there or were found."""
    n_expected = max(1, len(answer.question.targets), len(answer.kept))
    return float(matched(answer).iou.sum()) / n_expected


def _answers(segmenter: ConceptSegmenter, seed: int, n_frames: int) -> list[Answer]:
    rng = np.random.default_rng([seed, 6])
    answers: list[Answer] = []
    for frame in frames(seed, n_frames):
        answers += ask(segmenter, frame, [*questions_of_words(frame, rng), *questions_of_boxes(frame, rng)])
    for frame in frames_of_families(seed, max(1, n_frames // 2)):
        answers += ask(segmenter, frame, list(questions_of_boxes(frame, rng)))
    return answers


def _some(rng: np.random.Generator, answers: Sequence[Answer], n: int) -> list[Answer]:
    return [answers[int(number)] for number in rng.permutation(len(answers))[:n]]


def _sheet(answers: Sequence[Answer]) -> Image.Image:
    return contact_sheet([(_drawn(answer), _caption(answer)) for answer in answers], columns=COLUMNS)


def _drawn(answer: Answer) -> Pixels:
    """The frame with what was found, the truth, and the example boxes."""
    found = [
        DrawnObject(mask, mask.bbox_xyxy, f"{score:.2f}", n)
        for n, (mask, score) in enumerate(zip(answer.found, answer.scores, strict=True))
        if score >= KEPT_FROM
    ]
    truth = [answer.frame.masks[number] for number in answer.question.targets]
    picture = draw_overlay(answer.frame.image, found, truth)
    draw = ImageDraw.Draw(picture)
    prompt = answer.question.prompt
    for box, is_positive in zip(prompt.boxes_xyxy, prompt.box_is_positive, strict=True):
        left, top, right, bottom = (float(edge) for edge in box)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=_LIKE if is_positive else _UNLIKE, width=3)
    return np.array(picture)


def _caption(answer: Answer) -> str:
    question = answer.question
    signs = "".join(" +box" if sign else " -box" for sign in question.prompt.box_is_positive)
    text = question.prompt.text or "(no words)"
    return f"{text}{signs}\n{len(question.targets)} there, {len(answer.kept)} found, fit {fit(answer):.2f}"
