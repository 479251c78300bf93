"""The page ``docs/cli.md``, written from the commands themselves."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from komadori.cli.answers import (
    Annotation,
    Answer,
    Chunk,
    Frame,
    Hit,
    Job,
    Moment,
    Revision,
    ScoreScale,
    SearchAnswer,
    Video,
)
from komadori.cli.main import app

_INTRODUCTION = """\
# Command line

Each command that reads takes `--json` and then prints JSON and nothing else on stdout; ids are
strings. Progress and hints go to stderr, and only where a person looks. The exit status is 0 when
all is done, 1 when something failed, 2 when the command was misused. An error prints its stable
code, what was expected and what came, then what to do; `--debug`, with any command, adds the traceback.

`komadori up` must run for all commands but `api`, `backup`, `check`, `demo`, `demo-video`, `doctor`,
`gc`, `models`, `restore` and `worker`. They find it at `KOMADORI_URL`, and show `KOMADORI_TOKEN` where
one is set; see [settings](settings.md).
"""

_SHAPES: tuple[tuple[str, type[Answer]], ...] = (
    ("`videos`, each", Video),
    ("`frames`, each", Frame),
    ("`search`", SearchAnswer),
    ("a hit", Hit),
    ("a moment", Moment),
    ("a scale", ScoreScale),
    ("`annotations`, each", Annotation),
    ("`annotations --history`, each", Revision),
    ("`jobs show`", Job),
    ("a chunk", Chunk),
)


def markdown() -> str:
    """The whole page, the same on every machine."""
    lines = [_INTRODUCTION]
    for name, command in _commands("komadori", get_command(app)):
        lines += _section(name, command)
    lines += ["## JSON", "", "| of | fields |", "|---|---|"]
    lines += [f"| {what} | {_fields(answer)} |" for what, answer in _SHAPES]
    return "\n".join(lines) + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its whole name."""
    for word, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from _commands(f"{name} {word}", inner)
        else:
            yield f"{name} {word}", inner


def _section(name: str, command: Any) -> list[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    lines = [f"## {name}", "", " ".join((command.help or "").split()), "", "```"]
    lines += [" ".join([name, *(_argument(argument) for argument in arguments), "[OPTIONS]"]), "```", ""]
    described = [(argument.metavar, argument) for argument in arguments if argument.help]
    described += [(_option(option), option) for option in options]
    if described:
        lines += ["| | |", "|---|---|"]
        lines += [f"| `{_cell(shown)}` | {_cell(_meaning(param))} |" for shown, param in described]
        lines.append("")
    return lines


def _argument(argument: Any) -> str:
    name = argument.metavar + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    name = ", ".join(option.opts)
    if option.is_flag:
        return name
    return f"{name} {option.metavar}"


def _meaning(param: Any) -> str:
    parts = [param.help or ""]
    if isinstance(getattr(param, "show_default", None), str):
        parts.append(f"Default: {param.show_default}.")
    elif param.default not in (None, False) and not param.required and not callable(param.default):
        parts.append(f"Default: {_plain(param.default)}.")
    if param.required and param.param_type_name == "option":
        parts.append("Required.")
    return " ".join(parts)


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _fields(answer: type[Answer]) -> str:
    return ", ".join(f"`{name}`" for name in answer.model_fields if name not in answer.unpublished)
