"""Puts the web UI into the wheel and the sdist, and builds it first where that is needed.

A machine without Node gets one from PyPI into the environment of the build. Whoever installs an sdist
needs neither Node nor npm: the built UI is in it. ``KOMADORI_SKIP_UI=1`` leaves the UI out.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SCRIPT = Path(__file__).parent / "scripts" / "build_ui.py"


class UiHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel and each sdist."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling."""
        script = _script()
        if script.is_skipped() or script.WebUi().is_built or script.find_node() is not None:
            return []
        return [script.NODE_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """See that the UI is built, and that its files, which git ignores, go along."""
        script = _script()
        if script.is_skipped():
            return
        ui = script.WebUi()
        try:
            if not ui.is_built:
                ui.build(script.needed_node())
        except script.BuildError as error:
            sys.exit(str(error))  # one line; any other exception would show a traceback
        build_data["artifacts"].append(f"{ui.target.relative_to(Path(self.root).resolve()).as_posix()}/**")


def _script() -> Any:
    """The script beside this file; it is no package, and nothing is installed yet."""
    spec = spec_from_file_location("build_ui", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
