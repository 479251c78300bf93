"""Lets a scene move: things that enter, leave, turn, grow and hide each other, and a camera that drifts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from komadori.core.errors import InputError
from komadori.core.types import Image as Pixels
from komadori.demo_world.grounds import ground
from komadori.demo_world.kinds import kinds
from komadori.demo_world.sampling import Taste, random_bar, random_kinds
from komadori.demo_world.scene import Bar, Scene, Thing

EXPOSURE_S = 1 / 30
"""How long the shutter is open for each frame; it decides how much motion is blurred."""

_GROUND_MARGIN = 0.15
_DRIFT = 0.05
_ZOOM = 0.05
_OUTSIDE = 0.3
"""How far beyond the frame a thing that crosses it is turned back, as a share of the frame's width."""


def random_shots(seed: int, n_shots: int = 1, n_things: int = 5) -> list[list[str]]:
    """The kinds of the things in each of several shots, some of them several times."""
    rng = np.random.default_rng([seed, 0])
    taste = Taste(n_things=(n_things, n_things))
    return [random_kinds(rng, taste) for _ in range(n_shots)]


class Film:
    """One shot after the other, each a world of its own, all of the same length.

    Args:
        seed: Decides everything that the other arguments leave open.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        shots: The kinds of the things in each shot, a name several times for several things.
        duration_s: Of all shots together.
        n_bars: Poles in each shot that things pass behind or before.

    Raises:
        InputError: There is no shot, the size or the time is not positive, or a kind is not known.
    """

    def __init__(
        self,
        seed: int,
        width: int,
        height: int,
        *,
        shots: Sequence[Sequence[str]],
        duration_s: float,
        n_bars: int = 1,
    ) -> None:
        _check(width, height, shots, duration_s)
        self._shot_s = duration_s / len(shots)
        self._worlds: list[World] = []
        first_track = 1
        for number, cast in enumerate(shots):
            rng = np.random.default_rng([seed, 1, number])
            self._worlds.append(World(rng, width, height, cast, n_bars=n_bars, first_track=first_track))
            first_track += len(cast)

    def scene_at(self, time_s: float) -> Scene:
        """What the frame taken at this time shows; before the start and after the end, the shots there."""
        number = min(max(int(time_s / self._shot_s), 0), len(self._worlds) - 1)
        return self._worlds[number].scene_at(time_s)


class World:
    """Things on smooth paths over a wide background, and a camera that drifts and zooms a little.

    The first thing and every second one after it stay in the picture. The others cross it, are gone for a
    while, and come again. Who is before whom never changes. There is no end of time.

    Args:
        rng: Decides everything that the other arguments leave open.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        cast: The kind of each thing.
        n_bars: Poles that stand in the world.
        first_track: The track id of the first thing; the others count on from it.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        width: int,
        height: int,
        cast: Sequence[str],
        *,
        n_bars: int = 1,
        first_track: int = 1,
    ) -> None:
        self._size_wh = (width, height)
        self._camera = _random_camera(rng, width, height)
        self._ground = _wide_ground(rng, width, height)
        homes = _homes(rng, width, height, (len(cast) + 1) // 2)
        limit = _largest_size(width, height, len(homes))
        actors: list[_Actor | Bar] = []
        for number, kind in enumerate(cast):
            size = limit * float(rng.uniform(0.6, 1.0))
            thing = _random_thing(rng, kind, first_track + number, size)
            stays = number % 2 == 0
            path = _staying(rng, homes[number // 2], size) if stays else _crossing(rng, width, height, size)
            actors.append(_Actor(thing, path, _turning(rng), _growing(rng)))
        actors += [random_bar(rng, width, height) for _ in range(n_bars)]
        self._actors = [actors[i] for i in rng.permutation(len(actors))]

    def scene_at(self, time_s: float) -> Scene:
        """What a frame shows whose shutter is open around this time."""
        width, height = self._size_wh
        items = [self._item(actor, time_s) for actor in self._actors]
        return Scene(width, height, self._ground_at(time_s), items)

    def _item(self, actor: "_Actor | Bar", time_s: float) -> Thing | Bar:
        view = self._camera.view(time_s)
        if isinstance(actor, Bar):
            x, y = view.point(actor.x, actor.y)
            return replace(actor, x=x, y=y, width=actor.width * view.zoom)
        opened, closed = time_s - EXPOSURE_S / 2, time_s + EXPOSURE_S / 2
        x0, y0 = self._camera.view(opened).point(*actor.path.point(opened))
        x1, y1 = self._camera.view(closed).point(*actor.path.point(closed))
        x, y = view.point(*actor.path.wrapped(time_s))
        return replace(
            actor.thing,
            x=x,
            y=y,
            size=actor.thing.size * view.zoom * math.exp(actor.growth.at(time_s)),
            angle_deg=actor.thing.angle_deg + actor.turn_deg.at(time_s),
            smear=(x1 - x0, y1 - y0),
        )

    def _ground_at(self, time_s: float) -> Pixels:
        """The part of the background that the camera sees."""
        width, height = self._size_wh
        view = self._camera.view(time_s)
        left = view.x - width / 2 / view.zoom + _GROUND_MARGIN * width
        top = view.y - height / 2 / view.zoom + _GROUND_MARGIN * height
        box = (left, top, left + width / view.zoom, top + height / view.zoom)
        return np.asarray(self._ground.resize((width, height), Image.Resampling.BILINEAR, box=box))


@dataclass(frozen=True, slots=True)
class _Wave:
    """Something that swings around 0."""

    amplitude: float
    period_s: float
    phase: float

    def at(self, time_s: float) -> float:
        return self.amplitude * math.sin(2 * math.pi * time_s / self.period_s + self.phase)


@dataclass(frozen=True, slots=True)
class _Path:
    """The way of a thing through the world, whose (0, 0) is the frame's corner when the camera is at rest.

    Attributes:
        x: Where it is at the start, in pixels; ``y`` likewise.
        speed: To the right, in pixels a second.
        sway_x: How it leaves the straight line.
        sway_y: Likewise, downwards.
        lap: From and to where it goes before it begins again; None when it goes nowhere.
    """

    x: float
    y: float
    speed: float
    sway_x: tuple[_Wave, _Wave]
    sway_y: tuple[_Wave, _Wave]
    lap: tuple[float, float] | None

    def point(self, time_s: float) -> tuple[float, float]:
        """Where it would be if it never turned back: smooth, so that speeds can be told from it."""
        x = self.x + self.speed * time_s + sum(wave.at(time_s) for wave in self.sway_x)
        return x, self.y + sum(wave.at(time_s) for wave in self.sway_y)

    def wrapped(self, time_s: float) -> tuple[float, float]:
        """Where it is."""
        x, y = self.point(time_s)
        if self.lap is None:
            return x, y
        begin, end = self.lap
        return begin + (x - begin) % (end - begin), y


@dataclass(frozen=True, slots=True)
class _Actor:
    """A thing with what happens to it over time; its own place and size are those at rest."""

    thing: Thing
    path: _Path
    turn_deg: _Wave
    growth: _Wave


@dataclass(frozen=True, slots=True)
class _View:
    """Which part of the world the camera sees: around (x, y), enlarged by ``zoom``."""

    width: int
    height: int
    x: float
    y: float
    zoom: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the world is in the frame."""
        return (x - self.x) * self.zoom + self.width / 2, (y - self.y) * self.zoom + self.height / 2


@dataclass(frozen=True, slots=True)
class _Camera:
    """A camera that drifts around the middle of the world."""

    width: int
    height: int
    drift_x: _Wave
    drift_y: _Wave
    growth: _Wave

    def view(self, time_s: float) -> _View:
        return _View(
            self.width,
            self.height,
            self.width / 2 + self.drift_x.at(time_s),
            self.height / 2 + self.drift_y.at(time_s),
            math.exp(self.growth.at(time_s)),
        )


def _random_wave(rng: np.random.Generator, most: float, periods_s: tuple[float, float]) -> _Wave:
    amplitude = float(rng.uniform(0.3, 1.0)) * most
    return _Wave(amplitude, float(rng.uniform(*periods_s)), float(rng.uniform(0, 2 * math.pi)))


def _random_camera(rng: np.random.Generator, width: int, height: int) -> _Camera:
    drifts = [_random_wave(rng, _DRIFT * side, (7.0, 15.0)) for side in (width, height)]
    return _Camera(width, height, drifts[0], drifts[1], _random_wave(rng, _ZOOM, (8.0, 20.0)))


def _wide_ground(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A background that reaches ``_GROUND_MARGIN`` beyond the frame on each side, and a little more."""
    wide, high = (math.ceil(side * (1 + 2 * _GROUND_MARGIN)) + 1 for side in (width, height))
    return Image.fromarray(ground(rng, wide, high))


def _homes(rng: np.random.Generator, width: int, height: int, n: int) -> list[tuple[float, float]]:
    """Places all over the frame, one for each thing that stays."""
    n_columns, n_rows = _grid(width, height, n)
    cells = rng.permutation(n_columns * n_rows)[:n]
    jitter = rng.uniform(0.4, 0.6, (n, 2))
    return [
        (float(cell % n_columns + dx) * width / n_columns, float(cell // n_columns + dy) * height / n_rows)
        for cell, (dx, dy) in zip(cells, jitter, strict=True)
    ]


def _grid(width: int, height: int, n: int) -> tuple[int, int]:
    """Columns and rows of at least ``n`` cells that are about square."""
    n_columns = max(1, round(math.sqrt(n * width / height)))
    return n_columns, max(1, math.ceil(n / n_columns))


def _largest_size(width: int, height: int, n_homes: int) -> float:
    """Of things: half of the shorter side, or what leaves room for all that stay."""
    n_columns, n_rows = _grid(width, height, n_homes)
    return min(0.5 * min(width, height), 0.9 * min(width / n_columns, height / n_rows))


def _random_thing(rng: np.random.Generator, kind: str, track_id: int, size: float) -> Thing:
    return Thing(
        kind,
        track_id,
        x=0.0,
        y=0.0,
        size=size,
        angle_deg=float(rng.normal(0, 8)),
        is_mirrored=bool(rng.random() < 0.5),
        brightness=float(rng.uniform(0.8, 1.1)),
    )


def _staying(rng: np.random.Generator, home: tuple[float, float], size: float) -> _Path:
    """Around a place, about as far as the thing is large."""
    sways = _sways(rng, 0.35 * size), _sways(rng, 0.25 * size)
    return _Path(*home, 0.0, *sways, lap=None)


def _crossing(rng: np.random.Generator, width: int, height: int, size: float) -> _Path:
    """From side to side, and on at the other side again after a while outside."""
    outside = _OUTSIDE * width + size
    lap = (-outside, width + outside)
    speed = width * float(rng.uniform(0.12, 0.4)) * (1 if rng.random() < 0.5 else -1)
    x, y = float(rng.uniform(*lap)), height * float(rng.uniform(0.2, 0.8))
    return _Path(x, y, speed, _sways(rng, 0.1 * size), _sways(rng, 0.25 * size), lap=lap)


def _sways(rng: np.random.Generator, most: float) -> tuple[_Wave, _Wave]:
    """A slow one and a quicker, smaller one."""
    return _random_wave(rng, most, (4.0, 9.0)), _random_wave(rng, 0.4 * most, (2.0, 4.0))


def _turning(rng: np.random.Generator) -> _Wave:
    return _random_wave(rng, 18.0, (3.0, 8.0))


def _growing(rng: np.random.Generator) -> _Wave:
    """Of the logarithm of the size."""
    return _random_wave(rng, 0.25, (4.0, 10.0))


def _check(width: int, height: int, shots: Sequence[Sequence[str]], duration_s: float) -> None:
    known = {kind.name for kind in kinds()}
    unknown = sorted({name for cast in shots for name in cast} - known)
    if unknown:
        raise InputError(
            f"Expected kinds of the demo's world, got {', '.join(map(repr, unknown))}.",
            hint=f"The kinds are: {', '.join(sorted(known))}.",
            code="unknown-kind",
        )
    if min(width, height) < 1 or not shots or not duration_s > 0:
        raise InputError(
            f"Expected a size, a time and at least one shot, got {width} x {height} pixels, {duration_s} s "
            f"and {len(shots)} shots.",
            hint="Give a width and a height of 1 pixel or more, a time over 0, and the kinds of one shot.",
            code="invalid-film",
        )
