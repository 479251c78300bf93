"""The picture of each kind, drawn from vectors."""

import io
import json
from functools import cache
from importlib.resources import files

from PIL import Image

from komadori.core.errors import DependencyError

SIDE = 128
"""Pixels of the square that a sprite fills."""

CANVAS = 208
"""Pixels of the square that a sprite is drawn in the middle of: room to be turned, and a clear rim."""

REDUCTIONS = (1, 2, 4)
"""Sprites are also there in a half and a quarter of that size, for small pictures."""


@cache
def sprite(name: str, reduction: int = 1) -> Image.Image:
    """The kind's picture.

    Args:
        name: Of the kind.
        reduction: One of ``REDUCTIONS``.

    Returns:
        ``CANVAS`` x ``CANVAS`` pixels over ``reduction`` in mode "RGBa" (colours already multiplied by
        alpha), the thing within the ``SIDE`` x ``SIDE`` pixels of the middle.

    Raises:
        DependencyError: The package that draws vectors is not installed.
    """
    if reduction > 1:
        return sprite(name).reduce(reduction)
    try:
        import resvg_py
    except ImportError as exc:
        raise DependencyError(
            "Expected the package resvg_py, which draws the demo's things, got none.",
            hint="Install it with: pip install 'komadori[demo]'.",
            code="no-sprites",
        ) from exc
    body = _bodies()[name]
    vector = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{body}</svg>'
    png = bytes(resvg_py.svg_to_bytes(svg_string=vector, width=SIDE, height=SIDE))
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    with Image.open(io.BytesIO(png)) as drawn:
        canvas.paste(drawn.convert("RGBA"), ((CANVAS - SIDE) // 2,) * 2)
    return canvas.convert("RGBa")


@cache
def _bodies() -> dict[str, str]:
    bodies: dict[str, str] = json.loads(files(__package__).joinpath("sprites.json").read_text("utf-8"))
    return bodies
