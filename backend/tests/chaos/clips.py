"""Small videos whose frames are known by how they are made."""

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.parts import EMBEDDER_POISON, SEGMENTER_POISON
from tests.support.clips import ffmpeg

N_FRAMES = 24
_FPS = 8
_KEYFRAME_EVERY = 6
"""So four portions are decoded on their own."""

_SOURCES = ("testsrc2=s=160x120", "rgbtestsrc=s=160x120", "smptehdbars=s=160x120")


@dataclass(frozen=True, slots=True)
class Clip:
    """A video; frames at these places kill the process of a model.

    Attributes:
        name: Copies of one video have the same.
        path: The file.
        embedder_poison: The decode index of the frame that kills the embedder.
        segmenter_poison: And of that which kills the segmenter.
    """

    name: str
    path: Path
    embedder_poison: int | None = None
    segmenter_poison: int | None = None

    def copy(self, path: Path) -> "Clip":
        """The same pictures in a file with another sha256."""
        ffmpeg("-i", str(self.path), "-c", "copy", "-metadata", f"comment={path.name}", str(path))
        return Clip(self.name, path, self.embedder_poison, self.segmenter_poison)


def make_clips(folder: Path) -> list[Clip]:
    """Videos that differ, of :data:`N_FRAMES` frames each."""
    clips = []
    for source in _SOURCES:
        name = source.partition("=")[0]
        clips.append(Clip(name, _encode(folder / f"{name}.mp4", f"{source}:r={_FPS}")))
    return clips


def make_poison(folder: Path) -> Clip:
    """A video in which one frame kills each of the models."""
    poisons = {5: EMBEDDER_POISON, 14: SEGMENTER_POISON}
    boxes = [
        f"drawbox=w=iw:h=ih:t=fill:color=0x{red:02x}{green:02x}{blue:02x}:enable='eq(n,{frame})'"
        for frame, (red, green, blue) in poisons.items()
    ]
    path = _encode(folder / "poison.mp4", ",".join([f"{_SOURCES[0]}:r={_FPS}", *boxes]))
    return Clip("poison", path, *poisons)


def make_broken(folder: Path) -> Path:
    """A file that is no video."""
    path = folder / "broken.mp4"
    path.write_bytes(b"no video at all\n" * 100)
    return path


def _encode(path: Path, source: str) -> Path:
    seconds = f"{N_FRAMES / _FPS:g}"
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-pix_fmt", "yuv420p")
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        source,
        "-t",
        seconds,
        *options,
        "-g",
        str(_KEYFRAME_EVERY),
        "-bf",
        "0",
        str(path),
    )
    return path
