"""Writes the documents that are made from the code, or says which of them are stale.

Without an option it writes all of them. With ``--check`` it writes nothing, names the
stale ones and exits 1 if there are any. A further document is one more entry in
``DOCUMENTS``.
"""

import argparse
import json
import sys
import textwrap
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from komadori.api.app import create_app
from komadori.cli import reference
from komadori.doctor import reference as doctor_reference
from komadori.services.audit import reference as check_reference
from komadori.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

CONTAINERS_HEADLINE = "# ---- Containers: read by the compose files in docker/, not by the processes ----"
"""In ``.env.example``, between the settings and the variables of the compose files."""


@dataclass(frozen=True, slots=True)
class ComposeVariable:
    """A variable that the compose files read and no process does.

    Attributes:
        name: As it stands in ``.env``.
        default: As it stands in the compose files; empty when there is none.
        meaning: For people.
    """

    name: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Document:
    """A generated file.

    Attributes:
        path: Relative to the root of the repository.
        generate: Gives its whole text, the same on every machine.
    """

    path: str
    generate: Callable[[], str]


def openapi() -> str:
    """The description of the HTTP API."""
    app = create_app(Settings(_env_file=None, home=Path("/nowhere")))
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


def settings() -> str:
    """The table of all settings."""
    lines = [
        "# Settings",
        "",
        "Every process reads them from its environment, or from a file `.env` in the folder that it is",
        "started in. All processes of an installation must see the same ones.",
        "",
        "| Variable | Default | Meaning |",
        "|---|---|---|",
    ]
    lines += [_setting(name, field) for name, field in Settings.model_fields.items()]
    lines += [
        "",
        "## Containers",
        "",
        "The compose files in `docker/` read these as well, and no process does. The make targets take them",
        "from the environment, or from `.env` in the root of the repository.",
        "",
        "| Variable | Default | Meaning |",
        "|---|---|---|",
    ]
    for variable in compose_variables():
        default = f"`{variable.default}`" if variable.default else "not set"
        lines.append(f"| `{variable.name}` | {default} | {variable.meaning} |")
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """Every setting as a comment, to be copied to ``.env``; what has no default has no value."""
    lines = [
        "# Copy this file to .env and take away the # in front of what you want to set.",
        "# What is set in the environment goes first. docs/settings.md has the same as a table.",
    ]
    for name, field in Settings.model_fields.items():
        value = _default(name, field)
        value = "" if value == "not set" else value.strip("`")
        lines += _commented(f"KOMADORI_{name.upper()}", value, str(field.description))
    lines += ["", "", CONTAINERS_HEADLINE]
    for variable in compose_variables():
        lines += _commented(variable.name, variable.default, variable.meaning)
    return "\n".join(lines) + "\n"


def compose_variables() -> list[ComposeVariable]:
    """The variables of the compose files, in the order in which they are documented."""
    table = tomllib.loads((ROOT / "docker" / "variables.toml").read_text(encoding="utf-8"))
    return [ComposeVariable(name, **entry) for name, entry in table.items()]


DOCUMENTS: tuple[Document, ...] = (
    Document("docs/openapi.json", openapi),
    Document("docs/settings.md", settings),
    Document("docs/cli.md", reference.markdown),
    Document("docs/doctor.md", doctor_reference.markdown),
    Document("docs/check.md", check_reference.markdown),
    Document(".env.example", env_example),
)


def stale(documents: Sequence[Document], root: Path) -> list[str]:
    """The paths of those documents that are missing or do not say what the code says."""
    return [document.path for document in documents if _text(root / document.path) != document.generate()]


def write(documents: Sequence[Document], root: Path) -> None:
    """Write every document."""
    for document in documents:
        path = root / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.generate(), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says: the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a document is stale")
    if not parser.parse_args(arguments).check:
        write(DOCUMENTS, ROOT)
        return 0
    found = stale(DOCUMENTS, ROOT)
    for path in found:
        print(f"{path} is stale: run make docs", file=sys.stderr)
    return 1 if found else 0


def _commented(name: str, value: str, meaning: str) -> list[str]:
    return ["", *textwrap.wrap(meaning, 98, initial_indent="# ", subsequent_indent="# "), f"#{name}={value}"]


def _setting(name: str, field: FieldInfo) -> str:
    return f"| `KOMADORI_{name.upper()}` | {_default(name, field)} | {field.description} |"


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "`~/.local/share/komadori`"
    value: Any = field.default
    if value is None or value is PydanticUndefined or value == "":
        return "not set"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
