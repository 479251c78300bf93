"""The page ``docs/doctor.md``, written from the checks themselves."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from komadori.doctor import roles
from komadori.doctor.report import Check

_HEAD = ["", "| id | looks at | roles | needs | at most |", "|---|---|---|---|---|"]
_INTRODUCTION = """\
# What the doctor looks at

`komadori doctor` runs these checks, and so does `verify_gpu.py` in each container (`make verify-gpu`)
and on a host that has nothing but Python. Each ends as `ok`, `warn` (it works, but not all of it or
not well), `fail` (it cannot work; only this makes the exit status 1) or `skip` (there was nothing to
look at, or what it needs did not end well). A fault comes with one remedy. The ids never change;
`--json` gives for each `id`, `group`, `status`, `detail`, `remedy`, `facts` and `ms`.

A check that gives no answer within its time is a failure, and holds up neither the others nor the end
of the program. `embedder-run` and `segmenter-run` load the models, which takes minutes without a GPU;
`--quick` leaves them out.
"""


def markdown() -> str:
    """The whole page, the same on every machine."""
    lines = [_INTRODUCTION, "| `--role` | |", "|---|---|"]
    lines += [f"| `{role}` | {meaning} |" for role, meaning in roles.ROLES.items()]
    for group, checks in _groups().items():
        lines += ["", f"## {group}", *_HEAD]
        lines += [_row(check, of) for check, of in checks]
    return "\n".join(lines) + "\n"


def _groups() -> dict[str, list[tuple[Check, list[str]]]]:
    """Each check once, with the roles that have it, under its headline."""
    found: dict[str, tuple[Check, list[str]]] = {}
    for role in roles.ROLES:
        for check in roles.checks(role):
            found.setdefault(check.name, (check, []))[1].append(role)
    groups: dict[str, list[tuple[Check, list[str]]]] = {}
    for check, of in found.values():
        groups.setdefault(check.group, []).append((check, of))
    return groups


def _row(check: Check, of: list[str]) -> str:
    needs = ", ".join(f"`{name}`" for name in check.needs)
    return f"| `{check.name}` | {_meaning(check.look)} | {', '.join(of)} | {needs} | {check.deadline_s:g} s |"


def _meaning(look: Callable[..., Any]) -> str:
    """The first line of the function's description."""
    while isinstance(look, partial):
        look = look.func
    first = (inspect.getdoc(look) or "").partition("\n\n")[0]
    return first.replace("\n", " ").replace("``", "`").replace("|", "\\|")
