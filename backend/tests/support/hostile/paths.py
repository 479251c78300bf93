"""Names and places that are a trap; where a good video lies behind them, it must be read."""

import os
import socket
from collections.abc import Callable, Iterator

from tests.support.hostile.base import Hostile, World, good

_NAMES = (
    "-i.mp4",
    "--help.mp4",
    "concat:a|b.mp4",
    "http:x.mp4",
    "file:x.mp4",
    "pipe:0",
    "data:video,x.mp4",
    "frame%d.mp4",
    "%s%n%x.mp4",
    "*.mp4",
    "two\nlines.mp4",
    "tab\tand\rreturn.mp4",
    "'quotes\"`$(id)`.mp4",
    "; rm -rf x;.mp4",
    " space .mp4 ",
    "\u202egnp.mp4",
    "\u200b.mp4",
    "e\u0301 NFD.mp4",
    "👩‍👩‍👧‍👦.mp4",
    "動画\u3000ファイル.mp4",
    "<script>alert(1)</script>.mp4".replace("/", "\u2215"),
    "a" * 251 + ".mp4",
    "%2e%2e%2f.mp4",
    "CON.mp4",
    "back\\slash.mp4",
)
_TARGETS = (
    *("/etc/passwd", "/proc/self/mem", "/proc/self/environ", "/proc/kcore", "/proc/kmsg"),
    *("/dev/zero", "/dev/random", "/nowhere", "."),
)
_PATHS = (
    *("/dev/zero", "/dev/stdin", "/proc/self/mem", "/proc/1/environ", "/etc/passwd", "/"),
    *("relative.mp4", "", "/a\0b.mp4", "/" + "x" * 300, "/" + "x/" * 3000, "file:///etc/passwd"),
)


def files() -> Iterator[Hostile]:
    """All of them."""
    for name in _NAMES:
        yield _trap(name.replace("\n", "\\n")[:40], _named(name), is_good=True)
    yield _trap("a video behind a link", _link_to_good, is_good=True)
    yield _trap("a video in a deep folder", _deep, is_good=True)
    for target in _TARGETS:
        yield _trap(f"link to {target}", _link_to(target))
    for path in _PATHS:
        yield Hostile("paths", f"path {path[:30]!r}", _given(path))
    yield _trap("link to itself", _loop)
    yield _trap("pipe", lambda w: _special(w, lambda path: os.mkfifo(path)))
    yield _trap("socket", lambda w: _special(w, _bind))
    yield _trap("folder", lambda w: _special(w, os.mkdir))


def _given(path: str) -> Callable[[World], str]:
    return lambda _world: path


def _trap(name: str, make: Callable[[World], str], *, is_good: bool = False) -> Hostile:
    return Hostile("paths", name, make, is_good=is_good)


def _named(name: str) -> Callable[[World], str]:
    def make(world: World) -> str:
        path = world.folder / name
        path.write_bytes(good("h264.mp4"))
        return str(path)

    return make


def _link_to_good(world: World) -> str:
    (world.folder / "real.mp4").write_bytes(good("h264.mp4"))
    return _link_to("real.mp4")(world)


def _link_to(target: str) -> Callable[[World], str]:
    def make(world: World) -> str:
        path = world.folder / "link.mp4"
        path.symlink_to(target)
        return str(path)

    return make


def _loop(world: World) -> str:
    return _link_to("link.mp4")(world)


def _deep(world: World) -> str:
    folder = world.folder
    while len(str(folder)) < 3_500:
        folder /= "d" * 200
    folder.mkdir(parents=True)
    (folder / "deep.mp4").write_bytes(good("h264.mp4"))
    return str(folder / "deep.mp4")


def _special(world: World, make: Callable[[str], None]) -> str:
    path = str(world.folder / "special.mp4")
    make(path)
    return path


def _bind(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path[-100:] if len(path) < 100 else path)
