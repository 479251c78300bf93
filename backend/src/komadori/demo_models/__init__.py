"""The small checkpoints that come in the package, so that the demo needs no model hub.

What each can and cannot do stands in its README.md.
"""

from pathlib import Path

from komadori.core.errors import NotFoundError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The checkpoints there are, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/config.json"))


def path(name: str) -> Path:
    """The folder of a checkpoint, in the layout of transformers.

    Raises:
        NotFoundError: There is no such checkpoint in this installation.
    """
    if name not in names():
        raise NotFoundError(
            f"There is no demo model {name!r}.",
            hint=f"Use one of: {', '.join(names()) or 'none; run make demo-models'}.",
        )
    return FOLDER / name
