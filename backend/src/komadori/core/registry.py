"""Finds the parts that can be swapped by name, without importing them to list them.

A part is one module in its kind's package; the file's name is the registered name, in
which an exporter has dashes for the underscores, and the module has a function
``create``. Packages outside join by an entry point in the group ``komadori.<kind>``,
whose value is such a function; they cannot take a name that Komadori itself has.
"""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import EntryPoints, entry_points
from importlib.util import find_spec
from typing import Any

from komadori.core.errors import DependencyError, InputError

PACKAGES = {
    "embedders": "komadori.ml.embedders",
    "segmenters": "komadori.ml.segmenters",
    "samplers": "komadori.sampling",
    "exporters": "komadori.exporters",
    "indexes": "komadori.vectors",
    "stores": "komadori.storage",
    "queues": "komadori.queueing",
}
"""The kinds, and the package that holds the built-in parts of each."""

_NOT_PARTS = {"base", "copying", "dataset_folder", "inspection", "outbox"}

_DASHED = {"exporters"}
"""Kinds whose names people type and see: dashes stand in them for the underscores of the file names."""

_EXTRAS = {"embedders": "siglip", "segmenters": "sam3", "indexes": "search"}
"""The extra of komadori with the packages that the parts of a kind need, where the base has not all."""


def names(kind: str) -> list[str]:
    """The registered names of a kind, sorted; nothing is imported but the empty package."""
    return sorted(_own_names(kind) | {point.name for point in _outside(kind)})


def factory(kind: str, name: str) -> Callable[..., Any]:
    """The ``create`` function of a part; imports it.

    Raises:
        InputError: No part of that kind has that name.
        DependencyError: A package that the part needs is not installed, or is too old for it.
    """
    outside = {point.name: point for point in _outside(kind)}
    try:
        if name in _own_names(kind):
            create: Callable[..., Any] = importlib.import_module(module_of(kind, name)).create
            return create
        if name in outside:
            joined: Callable[..., Any] = outside[name].load()
            return joined
    except ImportError as exc:
        raise DependencyError(
            f"Expected the packages that {name!r} of the {kind} needs, got: {exc}.",
            hint=_remedy(kind, is_own=name in _own_names(kind)),
        ) from exc
    raise InputError(
        f"Expected the name of one of the {kind}, got {name!r}.",
        hint=f"Use one of: {', '.join(names(kind))}.",
        code="unknown-name",
    )


def module_of(kind: str, name: str) -> str:
    """The module of a built-in part, by its registered name."""
    return f"{PACKAGES[kind]}.{name.replace('-', '_') if kind in _DASHED else name}"


def _own_names(kind: str) -> set[str]:
    spec = find_spec(PACKAGES[kind])
    locations = list(spec.submodule_search_locations or []) if spec else []
    modules = {module.name for module in pkgutil.iter_modules(locations)}
    parts = {name for name in modules - _NOT_PARTS if not name.startswith("_")}
    return {name.replace("_", "-") for name in parts} if kind in _DASHED else parts


def _remedy(kind: str, *, is_own: bool) -> str:
    if not is_own:
        return "Install the package that brings this part again, with what it needs."
    extra = _EXTRAS.get(kind)
    install = f"pip install 'komadori[{extra}]'" if extra else "pip install komadori"
    return f"Install them with the extra that has them: `{install}`; the extra local has everything."


def _outside(kind: str) -> EntryPoints:
    return entry_points(group=f"komadori.{kind}")
