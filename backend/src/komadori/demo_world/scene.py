"""Composes a picture from a background and things, and knows which pixel belongs to which thing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve1d

from komadori.core.types import Image as Pixels
from komadori.demo_world.sprites import CANVAS, REDUCTIONS, SIDE, sprite

_Floats = NDArray[np.float32]

OPAQUE = 0.5
"""From this alpha on, a pixel belongs to the thing in front."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One named thing in a scene.

    Attributes:
        kind: The name of its kind.
        track_id: The same for the same thing in all frames of a video.
        x: Its centre, in pixels of the frame, the frame's left edge at 0.
        y: Its centre, from the top edge.
        size: The side of its square, in pixels of the frame.
        angle_deg: By how much it is turned, counter-clockwise.
        is_mirrored: Left and right are swapped.
        brightness: Factor on its colours.
        smear: How far it moves while the shutter is open, (dx, dy) in pixels of the frame.
    """

    kind: str
    track_id: int
    x: float
    y: float
    size: float
    angle_deg: float = 0.0
    is_mirrored: bool = False
    brightness: float = 1.0
    smear: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """A straight pole across the frame, which has no name and may hide parts of things.

    Attributes:
        x: A point of its middle line, in pixels of the frame.
        y: That point, from the top edge.
        width: Across, in pixels of the frame.
        angle_deg: 0 stands upright.
        colour: RGB in 0 to 1.
    """

    x: float
    y: float
    width: float
    angle_deg: float
    colour: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that one frame shows.

    Attributes:
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
        ground: (h, w, 3) uint8 RGB, which is stretched to fill the frame.
        items: Things and bars, the hindmost first.
    """

    width: int
    height: int
    ground: Pixels
    items: Sequence[Thing | Bar]

    @property
    def things(self) -> list[Thing]:
        """The named ones, the hindmost first."""
        return [item for item in self.items if isinstance(item, Thing)]


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene as pixels.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        things: The N things of the scene, the hindmost first.
        masks: (N, H, W) bool, what is seen of each.
        visible: (N,) float32, the share of each thing's own pixels that is seen, within the frame.
    """

    image: Pixels
    things: list[Thing]
    masks: NDArray[np.bool_]
    visible: _Floats


def draw(scene: Scene, size_wh: tuple[int, int] | None = None) -> Picture:
    """Draw the scene.

    Args:
        scene: What to draw.
        size_wh: Width and height of the picture; the frame is squeezed to them, as models do it. The
            frame's own size when None.

    Returns:
        The picture with the exact masks of that size.
    """
    width, height = size_wh or (scene.width, scene.height)
    ground = Image.fromarray(scene.ground)
    if ground.size != (width, height):
        ground = ground.resize((width, height), Image.Resampling.BILINEAR)
    canvas = np.array(ground, dtype=np.float32)
    owners = np.full((height, width), -1, np.int16)
    scale = (width / scene.width, height / scene.height)
    areas: list[float] = []
    for item in scene.items:
        if isinstance(item, Thing):
            areas.append(_draw_thing(item, scale, canvas, owners, number=len(areas)))
        else:
            _draw_bar(item, scale, canvas, owners)
    numbers = np.arange(len(areas), dtype=np.int16)
    masks = owners[None] == numbers[:, None, None]
    seen = masks.sum((1, 2)) / np.maximum(np.asarray(areas), 1.0)
    image = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return Picture(image, scene.things, masks, np.minimum(seen, 1.0).astype(np.float32))


def _draw_thing(
    thing: Thing, scale: tuple[float, float], canvas: _Floats, owners: NDArray[np.int16], number: int
) -> float:
    """Lay the thing over ``canvas`` and ``owners``; how many pixels all of it would fill."""
    height, width = owners.shape
    left, top, layer = _turned(thing, scale)
    area = float((layer[..., 3] >= OPAQUE).sum())
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + layer.shape[1], width), min(top + layer.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return area
    layer = layer[y0 - top : y1 - top, x0 - left : x1 - left]
    here = (slice(y0, y1), slice(x0, x1))
    canvas[here] = canvas[here] * (1 - layer[..., 3:]) + layer[..., :3] * (255.0 * thing.brightness)
    owners[here][layer[..., 3] >= OPAQUE] = number
    return area


def _turned(thing: Thing, scale: tuple[float, float]) -> tuple[int, int, _Floats]:
    """The thing at its size, place and angle.

    Returns:
        Where its first column and row lie in the picture, and (h, w, 4) colours times alpha, alpha, in
        0 to 1.
    """
    side = thing.size * CANVAS / SIDE
    needed = max(side * scale[0], side * scale[1])
    reduction = max([r for r in REDUCTIONS if CANVAS / r >= needed], default=1)
    drawn = sprite(thing.kind, reduction)
    if thing.is_mirrored:
        drawn = drawn.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if thing.angle_deg:
        drawn = drawn.rotate(thing.angle_deg, Image.Resampling.BILINEAR)
    left, n_columns, x0, x1 = _whole_pixels(thing.x, side, scale[0], drawn.width)
    top, n_rows, y0, y1 = _whole_pixels(thing.y, side, scale[1], drawn.height)
    resized = drawn.resize((n_columns, n_rows), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
    layer = np.asarray(resized, np.float32) / 255.0
    for axis, shift in ((1, thing.smear[0] * scale[0]), (0, thing.smear[1] * scale[1])):
        if abs(shift) >= 1.0:
            layer = convolve1d(layer, _window(1.0 + abs(shift)), axis=axis, mode="constant")
    return left, top, layer


def _window(length: float) -> _Floats:
    """The weights of a mean over ``length`` pixels, as many to either side of the middle one."""
    reach = math.ceil((length - 1.0) / 2.0)
    weights = np.full(2 * reach + 1, 1.0, np.float32)
    weights[[0, -1]] = (length - (2 * reach - 1)) / 2.0
    return weights / length


def _whole_pixels(centre: float, side: float, factor: float, n_source: int) -> tuple[int, int, float, float]:
    """The whole pixels within ``side`` around ``centre``, both times ``factor``.

    Returns:
        The first pixel, how many, and where they begin and end on the sprite's ``n_source`` pixels.
    """
    begin, length = (centre - side / 2) * factor, side * factor
    first = math.ceil(begin)
    n = max(1, math.floor(begin + length) - first)
    per_pixel = n_source / length
    source = max(0.0, (first - begin) * per_pixel)
    return first, n, source, min(float(n_source), source + n * per_pixel)


def _draw_bar(bar: Bar, scale: tuple[float, float], canvas: _Floats, owners: NDArray[np.int16]) -> None:
    """Lay the bar over ``canvas``; what it covers belongs to nobody."""
    height, width = owners.shape
    x = (np.arange(width, dtype=np.float32) + 0.5) / scale[0] - bar.x
    y = (np.arange(height, dtype=np.float32) + 0.5) / scale[1] - bar.y
    angle = math.radians(bar.angle_deg)
    across = x[None] * math.cos(angle) + y[:, None] * math.sin(angle)
    alpha = np.clip((bar.width / 2 - np.abs(across)) * min(scale) + 0.5, 0, 1)
    canvas += (np.asarray(bar.colour, np.float32) * 255.0 - canvas) * alpha[..., None]
    owners[alpha >= OPAQUE] = -1
