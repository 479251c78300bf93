"""Which models the demo runs with, and what they can and cannot do."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from komadori import demo_models
from komadori.settings import Settings


class DemoModels(StrEnum):
    """Where the models come from."""

    PACKAGED = "packaged"
    CONFIGURED = "configured"


@dataclass(frozen=True, slots=True)
class Choice:
    """The models of a demo.

    Attributes:
        settings: Name them to the processes.
        names: For people, a few words.
        remark: What they can and cannot do, a line.
        caveat: What their finds in a real video are worth, a sentence; may be empty.
        mask_grid_hw: The rows and columns in which the segmenter draws masks; None where that is not known.
    """

    settings: dict[str, str]
    names: str
    remark: str
    caveat: str
    mask_grid_hw: tuple[int, int] | None


def choose(models: DemoModels, configured: Settings) -> Choice:
    """The packaged checkpoints, or what this machine is set to.

    Raises:
        NotFoundError: This installation came without the packaged checkpoints.
    """
    if models is DemoModels.PACKAGED:
        segmenter = demo_models.path("sam3-demo")
        return Choice(
            {
                "KOMADORI_EMBEDDER": str(demo_models.path("siglip2-demo")),
                "KOMADORI_SEGMENTER": str(segmenter),
                "KOMADORI_OFFLINE": "true",
                "KOMADORI_THREADS": "1",  # small models gain nothing from more
            },
            "demo models",
            "siglip2-demo and sam3-demo, small ones trained on drawings of 48 kinds of things.",
            "The demo models know drawings only: what they find here means nothing.",
            _mask_grid(segmenter),
        )
    return Choice(
        {
            "KOMADORI_EMBEDDER": _absolute(configured.embedder),
            "KOMADORI_SEGMENTER": _absolute(configured.segmenter),
            "KOMADORI_MODELS": str(configured.models_dir.expanduser().absolute()),
            "KOMADORI_DEVICE": configured.device,
            "KOMADORI_SCORE_THRESHOLD": str(configured.score_threshold),
            "KOMADORI_MASK_THRESHOLD": str(configured.mask_threshold),
        },
        f"{configured.embedder}, {configured.segmenter}",
        f"{configured.embedder} and {configured.segmenter}, as set on this machine.",
        "",
        None,
    )


def _mask_grid(checkpoint: Path) -> tuple[int, int]:
    """Rows and columns of the finest features of a SAM 3 checkpoint, in which its masks are drawn."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    rows, columns = config["vision_config"]["backbone_feature_sizes"][0]
    return int(rows), int(columns)


def _absolute(source: str) -> str:
    """A folder by its whole path, because the demo runs elsewhere; a model id as it is."""
    is_folder = source.startswith(("/", "~", ".")) or Path(source).is_dir()
    return str(Path(source).expanduser().absolute()) if is_folder else source
