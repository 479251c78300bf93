"""The package that docs/extending.md shows, installed as an outside package would be."""

import re
import tomllib
from pathlib import Path

EXTENDING = Path(__file__).parents[3] / "docs" / "extending.md"


def files() -> dict[str, str]:
    """The text of each file on the page, by its path."""
    blocks = re.findall(
        r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", EXTENDING.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return dict(blocks)


def install(folder: Path) -> None:
    """Write the package and what ``pip install`` would say of it to a folder of the import path."""
    found = files()
    project = tomllib.loads(found.pop("pyproject.toml"))["project"]
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n", "utf-8")
