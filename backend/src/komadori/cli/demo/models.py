"""Which models the demo runs with, and what they can and cannot do."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from komadori import demo_models
from komadori.settings import Settings

_SURE_ENOUGH = 0.58
"""Of the packaged segmenter, whose scores mean nothing: leaves about two proposals a frame."""


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
        score_threshold: For the proposals; None for that of the settings.
    """

    settings: dict[str, str]
    names: str
    remark: str
    score_threshold: float | None


def choose(models: DemoModels, configured: Settings) -> Choice:
    """The packaged checkpoints, or what this machine is set to.

    Raises:
        NotFoundError: This installation came without the packaged checkpoints.
    """
    if models is DemoModels.PACKAGED:
        return Choice(
            {
                "KOMADORI_EMBEDDER": str(demo_models.path("siglip2-demo")),
                "KOMADORI_SEGMENTER": str(demo_models.path("sam3-demo")),
                "KOMADORI_OFFLINE": "true",
                "KOMADORI_THREADS": "1",  # small models gain nothing from more
            },
            "untrained demo models",
            "siglip2-demo and sam3-demo, small and untrained: they carry every step, "
            "but what they find means nothing.",
            _SURE_ENOUGH,
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
        None,
    )


def _absolute(source: str) -> str:
    """A folder by its whole path, because the demo runs elsewhere; a model id as it is."""
    is_folder = source.startswith(("/", "~", ".")) or Path(source).is_dir()
    return str(Path(source).expanduser().absolute()) if is_folder else source
