"""What one can say about a scene, in English and Japanese, and the bare names in further languages.

Texts are lower case, as the embedder makes all texts before its tokenizer sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from komadori.demo_world.kinds import Kind, groups, kinds

ENGLISH = (
    "{}",
    "{}",
    "a photo of {}",
    "a picture of {}",
    "a video frame with {}",
    "there is {}",
    "{} in the scene",
)
JAPANESE = ("{}", "{}", "{}の写真", "{}の画像", "{}が写っている写真", "{}が見える", "{}のある場面")

ENGLISH_PAIRS = ("{} and {}", "{} with {}", "{} next to {}")
JAPANESE_PAIRS = ("{}と{}", "{}、{}", "{}の隣に{}")

PLURALS = {"cherry": "cherries", "butterfly": "butterflies", "strawberry": "strawberries"}
NOT_COUNTED = frozenset({"cherries", "grapes", "scissors", "broccoli"})
"""Names that take no article; they are their own plural too, as is "fish"."""

LANGUAGE_SHARES = (0.46, 0.42, 0.12)
"""How often a name is English, Japanese, or of any of the other languages."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and what it claims.

    Attributes:
        text: In lower case.
        parts: For each thing that it names, the kinds that would do; the text is true of a scene that
            shows one of the kinds of every part.
    """

    text: str
    parts: tuple[frozenset[str], ...]


@cache
def class_numbers() -> dict[str, int]:
    """The number of each kind by its name."""
    return {kind.name: number for number, kind in enumerate(kinds())}


def truths(captions: Sequence[Caption], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which captions are true of which scenes.

    Args:
        captions: C of them.
        seen: (N, 48), which kinds each of N scenes shows.

    Returns:
        (N, C).
    """
    table = np.ones((len(seen), len(captions)), np.bool_)
    numbers = class_numbers()
    for column, caption in enumerate(captions):
        for part in caption.parts:
            table[:, column] &= seen[:, sorted(numbers[name] for name in part)].any(axis=1)
    return table


def random_captions(rng: np.random.Generator, seen: NDArray[np.bool_], n_pairs: int) -> list[Caption]:
    """One caption for each kind, one for each group, and some that name two things.

    Args:
        rng: Decides the languages, the names and the words around them.
        seen: (N, 48), which kinds each of N scenes shows: two of them are named together.
        n_pairs: How many captions of two things to make at most; scenes that show one have none.
    """
    captions = [_about(rng, frozenset({kind.name}), *_random_name(rng, kind)) for kind in kinds()]
    for group in groups():
        is_english = rng.random() < 0.5
        name = _counted(rng, group.name) if is_english else group.japanese
        captions.append(_about(rng, group.kinds, name, ENGLISH if is_english else JAPANESE))
    several = np.flatnonzero(seen.sum(axis=1) >= 2)
    for scene in rng.permutation(several)[:n_pairs]:
        first, second = rng.permutation(np.flatnonzero(seen[scene]))[:2]
        captions.append(_about_two(rng, kinds()[first], kinds()[second]))
    return captions


def texts_of_tokenizer() -> list[str]:
    """Texts with every name and every word of the templates, the names as often as they are said."""
    texts = []
    for kind in kinds():
        english = [form for name in kind.english for form in (with_article(name), name, plural(name))]
        texts += [*english, *english, *kind.japanese, *kind.japanese, *kind.others.values()]
    for group in groups():
        texts += [*([group.name, with_article(group.name), plural(group.name)] * 2), *([group.japanese] * 4)]
    for template in (*ENGLISH, *JAPANESE, *ENGLISH_PAIRS, *JAPANESE_PAIRS):
        texts += [part for part in template.split("{}") if part] * 24
    return [text.lower() for text in texts]


def with_article(name: str) -> str:
    """The English name with "a" or "an" where it takes one."""
    if name in NOT_COUNTED:
        return name
    return f"an {name}" if name[0] in "aeiou" and not name.startswith("uni") else f"a {name}"


def plural(name: str) -> str:
    """The English name for several of the thing."""
    if name in NOT_COUNTED or name == "fish":
        return name
    if name in PLURALS:
        return PLURALS[name]
    return f"{name}es" if name.endswith(("s", "ch", "x")) else f"{name}s"


def _random_name(rng: np.random.Generator, kind: Kind) -> tuple[str, Sequence[str]]:
    """A name of the kind and the templates of its language."""
    language = int(rng.choice(3, p=LANGUAGE_SHARES))
    if language == 0:
        return _counted(rng, _one_of(rng, kind.english)), ENGLISH
    if language == 1:
        return _one_of(rng, kind.japanese), JAPANESE
    return _one_of(rng, list(kind.others.values())), ("{}",)


def _about(rng: np.random.Generator, meant: frozenset[str], name: str, templates: Sequence[str]) -> Caption:
    return Caption(_one_of(rng, templates).format(name).lower(), (meant,))


def _about_two(rng: np.random.Generator, first: Kind, second: Kind) -> Caption:
    parts = (frozenset({first.name}), frozenset({second.name}))
    if rng.random() < 0.5:
        names = [_counted(rng, _one_of(rng, kind.english)) for kind in (first, second)]
        text = _one_of(rng, ENGLISH).format(_one_of(rng, ENGLISH_PAIRS).format(*names))
    else:
        names = [_one_of(rng, kind.japanese) for kind in (first, second)]
        text = _one_of(rng, JAPANESE).format(_one_of(rng, JAPANESE_PAIRS).format(*names))
    return Caption(text.lower(), parts)


def _counted(rng: np.random.Generator, name: str) -> str:
    """The English name as it is, with its article, or, less often, in the plural."""
    form = rng.random()
    if form < 0.4:
        return name
    return with_article(name) if form < 0.85 else plural(name)


def _one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
