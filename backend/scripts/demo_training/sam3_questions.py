"""What a SAM 3 checkpoint is asked about frames whose truth is known, and what it answers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scripts.demo_training.unseen_frames import TrueFrame

from komadori.core.masks import Rle
from komadori.core.types import ConceptPrompt
from komadori.demo_world.kinds import families, groups, kinds
from komadori.demo_world.measures import SEEN_FROM, Case
from komadori.ml.segmenters.base import ConceptSegmenter

Theme = Literal[
    "name", "synonym", "group", "taught word", "unheard word", "like this", "like this, not that", "not that"
]
"""By what a question asks: the kind's name, another name of it, a word for several kinds, words for what the
world does not have (some of which the training taught to be absent), a box, two boxes, a word and a box."""

TAUGHT_WORDS = ("person", "truck", "house", "horse", "chair", "bottle", "tomato", "laptop")
UNHEARD_WORDS = ("violin", "lighthouse", "candle", "hammer", "helicopter", "snail", "pear", "tent")

KEPT_FROM = 0.5
"""The score from which on a find counts, as in the product."""

LEAST_SCORE = 0.02
MASK_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A prompt and its true answer.

    Attributes:
        theme: By what it asks.
        prompt: For the segmenter.
        targets: The numbers of the frame's things that are to be found.
        unlike: The numbers of the things of which the prompt says "not such", of their kind all.
        has_near_miss: Nothing answers, but something differs in colour alone.
    """

    theme: Theme
    prompt: ConceptPrompt
    targets: Sequence[int]
    unlike: Sequence[int] = ()
    has_near_miss: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was found, best first.

    Attributes:
        frame: That the question was about.
        question: With the truth.
        found: M masks.
        scores: (M,) float32.
    """

    frame: TrueFrame
    question: Question
    found: Sequence[Rle]
    scores: NDArray[np.float32]

    @property
    def case(self) -> Case:
        """Truth and answer, to be measured together with others."""
        numbers = list(self.question.targets)
        return Case(
            [self.frame.masks[n] for n in numbers], self.frame.visible[numbers], self.found, self.scores
        )

    @property
    def kept(self) -> list[Rle]:
        """The masks that are sure enough."""
        return [mask for mask, score in zip(self.found, self.scores, strict=True) if score >= KEPT_FROM]

    @property
    def best_score(self) -> float:
        """Of what was found; 0 for nothing."""
        return float(self.scores.max(initial=0.0))

    @property
    def is_absent(self) -> bool:
        """Whether nothing in the frame answers."""
        return not self.question.targets

    @property
    def is_present(self) -> bool:
        """Whether something that is seen well enough does."""
        return any(self.frame.visible[n] >= SEEN_FROM for n in self.question.targets)


def ask(segmenter: ConceptSegmenter, frame: TrueFrame, questions: Sequence[Question]) -> list[Answer]:
    """The answers in the order of the questions."""
    [row] = segmenter.segment(
        [frame.image],
        [question.prompt for question in questions],
        score_threshold=LEAST_SCORE,
        mask_threshold=MASK_THRESHOLD,
    )
    return [
        Answer(frame, question, found.masks or [], found.confidence)
        for question, found in zip(questions, row, strict=True)
    ]


def questions_of_words(frame: TrueFrame, rng: np.random.Generator) -> Iterator[Question]:
    """Every kind by its name; other names of what is there; groups; words for what is never there."""
    for kind in kinds():
        yield _by_name(frame, kind.name)
        if kind.name in frame.kinds and len(kind.english) > 1:
            word = kind.english[1 + int(rng.integers(len(kind.english) - 1))]
            yield Question("synonym", _words(word), frame.numbers_of({kind.name}))
    yield from questions_of_groups(frame)
    yield Question("taught word", _words(TAUGHT_WORDS[int(rng.integers(len(TAUGHT_WORDS)))]), ())
    yield Question("unheard word", _words(UNHEARD_WORDS[int(rng.integers(len(UNHEARD_WORDS)))]), ())


def questions_of_families(frame: TrueFrame) -> Iterator[Question]:
    """Every kind of a family of which something is there, and every group."""
    for family in families():
        if family & set(frame.kinds):
            for name in sorted(family):
                yield _by_name(frame, name)
    yield from questions_of_groups(frame)


def questions_of_groups(frame: TrueFrame) -> Iterator[Question]:
    """Every word for several kinds."""
    for group in groups():
        yield Question("group", _words(group.name), frame.numbers_of(group.kinds))


def questions_of_boxes(frame: TrueFrame, rng: np.random.Generator) -> Iterator[Question]:
    """Such as this; such as this and not as that; a group's word, but not such as that."""
    clear = np.flatnonzero(frame.visible >= SEEN_FROM)
    if not len(clear):
        return
    shown = int(rng.choice(clear))
    alike = frame.numbers_of({frame.kinds[shown]})
    yield Question("like this", _boxes(frame, None, {shown: True}), alike)
    others = [int(n) for n in clear if frame.kinds[n] != frame.kinds[shown]]
    if not others:
        return
    other = int(rng.choice(others))
    unlike = frame.numbers_of({frame.kinds[other]})
    prompt = _boxes(frame, None, {shown: True, other: False})
    yield Question("like this, not that", prompt, alike, unlike)
    for group in groups():
        members = set(group.kinds)
        if {frame.kinds[shown], frame.kinds[other]} <= members:
            prompt = _boxes(frame, group.name, {other: False})
            yield Question("not that", prompt, frame.numbers_of(members - {frame.kinds[other]}), unlike)


def _by_name(frame: TrueFrame, name: str) -> Question:
    is_near = name not in frame.kinds and any(name in f and f & set(frame.kinds) for f in families())
    return Question("name", _words(name), frame.numbers_of({name}), has_near_miss=is_near)


def _words(text: str) -> ConceptPrompt:
    return ConceptPrompt(text, text)


def _boxes(frame: TrueFrame, text: str | None, signs: dict[int, bool]) -> ConceptPrompt:
    """The true boxes of some things, each as an example or as a counter-example."""
    boxes = np.array([frame.masks[number].bbox_xyxy for number in signs], np.float32)
    return ConceptPrompt(text or "example", text, boxes, np.array(list(signs.values()), np.bool_))


def of_theme(answers: Sequence[Answer], themes: Collection[Theme]) -> list[Answer]:
    """The answers to questions of these themes."""
    return [answer for answer in answers if answer.question.theme in themes]
