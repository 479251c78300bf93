"""Good files that were cut off, or whose bits were flipped."""

from collections.abc import Iterator

from tests.support.hostile.base import Hostile, good, of_bytes, seeded

_CONTAINERS = (
    "h264.mp4",
    "faststart.mp4",
    "fragmented.mp4",
    "h264.mov",
    "h264.mkv",
    "vp9.webm",
    "h264.ts",
    "mpeg4.avi",
    "h264.flv",
    "mpeg2.mpg",
)
_CODECS = (
    "raw.h264",
    "hevc.mp4",
    "vp9.webm",
    "vp8.webm",
    "av1.mp4",
    "mpeg4.avi",
    "mjpeg.avi",
    "mpeg2.mpg",
    "prores.mov",
    "loop.gif",
)
_SHARES = (0.01, 0.1, 0.35, 0.6, 0.85, 0.99)
_HEAD_BYTES, _TAIL_BYTES = 700, 1500


def files() -> Iterator[Hostile]:
    """All of them."""
    for name in _CONTAINERS:
        for share in _SHARES:
            yield _cut(name, share)
        for place in ("head", "middle", "tail", "run"):
            yield _flipped(name, place)
    for name in _CODECS:
        for n_flips in (3, 40, 400):
            yield _bad_payload(name, n_flips)


def _cut(name: str, share: float) -> Hostile:
    return of_bytes(
        "truncated", f"{share:.0%} of {name}", lambda: good(name)[: max(1, int(len(good(name)) * share))]
    )


def _flipped(name: str, place: str) -> Hostile:
    def data() -> bytes:
        whole = bytearray(good(name))
        n, chance = len(whole), seeded(name, place)
        if place == "run":
            at = chance.randrange(n // 3, 2 * n // 3)
            whole[at : at + 200] = bytes(200)
            return bytes(whole)
        start, stop = {
            "head": (0, min(n, _HEAD_BYTES)),
            "middle": (n // 3, 2 * n // 3),
            "tail": (max(0, n - _TAIL_BYTES), n),
        }[place]
        for _ in range(20):
            whole[chance.randrange(start, stop)] ^= 1 << chance.randrange(8)
        return bytes(whole)

    return of_bytes("flipped", f"{place} of {name}", data)


def _bad_payload(name: str, n_flips: int) -> Hostile:
    def data() -> bytes:
        whole = bytearray(good(name))
        n, chance = len(whole), seeded(name, n_flips)
        for _ in range(n_flips):
            whole[chance.randrange(n // 5, 4 * n // 5)] ^= 1 << chance.randrange(8)
        return bytes(whole)

    return of_bytes("codecs", f"{n_flips} flips in {name}", data)
