"""Finds the parts that can be swapped by name, without importing them to list them.

A part is one module in its kind's package; the file's name is the registered name and
the module has a function ``create``. Packages outside join by an entry point in the
group ``komadori.<kind>``, whose value is such a function.
"""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from komadori.core.errors import InputError

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

_NOT_PARTS = {"base"}


def names(kind: str) -> list[str]:
    """The registered names of a kind, sorted; nothing is imported but the empty package."""
    spec = find_spec(PACKAGES[kind])
    locations = list(spec.submodule_search_locations or []) if spec else []
    modules = {m.name for m in pkgutil.iter_modules(locations)}
    own = {name for name in modules - _NOT_PARTS if not name.startswith("_")}
    return sorted(own | {point.name for point in entry_points(group=f"komadori.{kind}")})


def factory(kind: str, name: str) -> Callable[..., Any]:
    """The ``create`` function of a part.

    Raises:
        InputError: No part of that kind has that name.
    """
    if name not in names(kind):
        raise InputError(
            f"There is no {name!r} among the {kind}.",
            hint=f"Use one of: {', '.join(names(kind))}.",
            code="unknown-name",
        )
    for point in entry_points(group=f"komadori.{kind}"):
        if point.name == name:
            outside: Callable[..., Any] = point.load()
            return outside
    module = importlib.import_module(f"{PACKAGES[kind]}.{name}")
    create: Callable[..., Any] = module.create
    return create
