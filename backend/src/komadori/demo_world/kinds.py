"""The 48 kinds of things, the groups they fall into, and their names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from komadori.core.types import JsonDict

_FAMILIES = ("apple", "heart", "book")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing.

    Attributes:
        name: Its English name and its identifier.
        english: All English names, ``name`` first.
        japanese: All Japanese names, the most usual first.
        others: One name for each further language, by language code.
    """

    name: str
    english: tuple[str, ...]
    japanese: tuple[str, ...]
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """Several kinds that one word covers.

    Attributes:
        name: The English word.
        japanese: The Japanese word.
        kinds: The names of its kinds.
    """

    name: str
    japanese: str
    kinds: frozenset[str]


@cache
def kinds() -> tuple[Kind, ...]:
    """All kinds, in the order of their class numbers."""
    return tuple(
        Kind(entry["name"], tuple(entry["en"]), tuple(entry["ja"]), entry["others"])
        for entry in _catalogue()["kinds"]
    )


@cache
def groups() -> tuple[Group, ...]:
    """The words that cover several kinds."""
    return tuple(
        Group(entry["name"], entry["ja"], frozenset(entry["kinds"])) for entry in _catalogue()["groups"]
    )


@cache
def families() -> tuple[frozenset[str], ...]:
    """The groups whose kinds differ in colour alone, such as red and green apples."""
    return tuple(group.kinds for group in groups() if group.name in _FAMILIES)


@cache
def kinds_called(name: str) -> frozenset[str]:
    """The kinds that an English or Japanese word stands for; none for a word that is not known."""
    named = {kind.name for kind in kinds() if name in kind.english or name in kind.japanese}
    grouped = [group.kinds for group in groups() if name in (group.name, group.japanese)]
    return frozenset(named).union(*grouped)


@cache
def _catalogue() -> dict[str, list[JsonDict]]:
    catalogue: dict[str, list[JsonDict]] = json.loads(
        files(__package__).joinpath("kinds.json").read_text("utf-8")
    )
    return catalogue
