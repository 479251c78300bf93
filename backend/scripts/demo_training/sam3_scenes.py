"""Batches for the training of the small SAM 3: pictures, prompts, and what is to be found."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scripts.demo_training.sam3_model import SIDE
from scripts.demo_training.sam3_words import OTHERS

from komadori.core.types import Image
from komadori.demo_world.kinds import families, groups, kinds
from komadori.demo_world.sampling import Taste, random_scene, spoil
from komadori.demo_world.scene import Picture, draw

VISUAL = "visual"
"""The text with which SAM 3 follows boxes alone."""

SEEN_ENOUGH = 0.25
"""The share of a thing that must be seen for it to count."""

PIXELS_ENOUGH = 10

_Choice = TypeVar("_Choice")

_NAMES = {kind.name: kind.english for kind in kinds()}
_GROUPS = {group.name: group.kinds for group in groups()}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question about one picture, and its answer.

    Attributes:
        text: What is asked for.
        targets: The numbers of the picture's instances that are to be found.
        boxes: The numbers of the instances whose boxes are shown as examples.
        box_labels: For each of them: 1 such as this, 0 not such as this.
    """

    text: str
    targets: Sequence[int]
    boxes: Sequence[int] = ()
    box_labels: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its instances and prompts.

    Attributes:
        image: (SIDE, SIDE, 3) uint8 RGB.
        kinds: The kind of each of N instances.
        masks: (N, SIDE, SIDE) bool.
        boxes: (N, 4) float32, xyxy in 0 to 1.
        prompts: The questions.
    """

    image: Image
    kinds: Sequence[str]
    masks: NDArray[np.bool_]
    boxes: NDArray[np.float32]
    prompts: Sequence[Prompt] = field(default_factory=list)


def example(rng: np.random.Generator, taste: Taste, n_prompts: int, *, with_boxes: bool) -> Example:
    """A random scene with ``n_prompts`` questions; with example boxes if asked for."""
    if with_boxes and rng.random() < 0.6:
        taste = _of_one_group(rng, taste)
    while True:
        picture = draw(random_scene(rng, taste, ground_wh=(SIDE, SIDE)), (SIDE, SIDE))
        seen = instances(picture)
        if seen.size:
            break
    names = [picture.things[number].kind for number in seen]
    masks = picture.masks[seen]
    ask = _shown if with_boxes else _asked
    prompts = [ask(rng, names, position) for position in range(n_prompts)]
    return Example(spoil(rng, picture.image), names, masks, boxes_of(masks), prompts)


def _of_one_group(rng: np.random.Generator, taste: Taste) -> Taste:
    """Two things or more, all of one group, so that a counter-example has a word to go with."""
    members = groups()[int(rng.integers(len(groups())))].kinds
    return replace(taste, n_things=(2, taste.n_things[1]), kinds=sorted(members))


def instances(picture: Picture) -> NDArray[np.intp]:
    """The numbers of the things that are seen well enough to be asked for."""
    n_pixels = picture.masks.sum((1, 2))
    return np.flatnonzero((picture.visible >= SEEN_ENOUGH) & (n_pixels >= PIXELS_ENOUGH))


def boxes_of(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 4) float32 xyxy in 0 to 1, tight around each of (N, H, W) masks with a pixel or more."""
    edges = []
    for axis in (1, 2):  # over rows: which columns are filled; over columns: which rows
        filled: NDArray[np.bool_] = np.any(masks, axis=axis)
        n = filled.shape[1]
        edges.append((filled.argmax(1) / n, 1 - filled[:, ::-1].argmax(1) / n))
    (x0, x1), (y0, y1) = edges
    return np.stack([x0, y0, x1, y1], 1).astype(np.float32)


def _asked(rng: np.random.Generator, names: Sequence[str], position: int) -> Prompt:
    """Words: the first prompt always for something there, the others half the time."""
    if position == 0 or rng.random() < 0.45:
        name = _one_of(rng, names)
        words = _words_for(name)
        if words and rng.random() < 0.25:
            word = _one_of(rng, words)
            return Prompt(word, _of(names, _GROUPS[word]))
        return Prompt(_said(rng, name), _of(names, {name}))
    return _absent(rng, names)


def _absent(rng: np.random.Generator, names: Sequence[str]) -> Prompt:
    """Something that is not there; half the time something like what is there."""
    alike = [
        other for name in names for family in families() if name in family for other in family - set(names)
    ]
    if alike and rng.random() < 0.5:
        return Prompt(_said(rng, _one_of(rng, sorted(alike))), [])
    source = rng.random()
    if source < 0.2:
        return Prompt(_one_of(rng, OTHERS), [])
    absent_words = [word for word, members in _GROUPS.items() if not members & set(names)]
    if source < 0.4 and absent_words:
        return Prompt(_one_of(rng, absent_words), [])
    return Prompt(_said(rng, _one_of(rng, [name for name in _NAMES if name not in names])), [])


def _shown(rng: np.random.Generator, names: Sequence[str], position: int) -> Prompt:
    """Example boxes: such as this one; at times not such as that one; at times with words."""
    shown = int(rng.integers(len(names)))
    kind = names[shown]
    others = [number for number, name in enumerate(names) if name != kind]
    if rng.random() < 0.4 and (words := _words_for(kind)):
        word = _one_of(rng, words)
        return Prompt(word, _of(names, _GROUPS[word] - {kind}), [shown], [0])
    if others and rng.random() < 0.5:
        return Prompt(VISUAL, _of(names, {kind}), [shown, _one_of(rng, others)], [1, 0])
    text = VISUAL if position or rng.random() < 0.7 else _said(rng, kind)
    return Prompt(text, _of(names, {kind}), [shown], [1])


def _words_for(kind: str) -> list[str]:
    """The words for several kinds that cover this one."""
    return [word for word, members in _GROUPS.items() if kind in members]


def _one_of(rng: np.random.Generator, choices: Sequence[_Choice]) -> _Choice:
    return choices[int(rng.integers(len(choices)))]


def _of(names: Sequence[str], wanted: frozenset[str] | set[str]) -> list[int]:
    return [number for number, name in enumerate(names) if name in wanted]


def _said(rng: np.random.Generator, name: str) -> str:
    """One of the kind's names, at times with an article."""
    words = _NAMES[name]
    word = words[0] if rng.random() < 0.7 else _one_of(rng, words)
    return f"{'the' if rng.random() < 0.3 else 'a'} {word}" if rng.random() < 0.15 else word
